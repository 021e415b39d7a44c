import { createHash } from 'node:crypto';
import { isDigest } from '../../model/container/image-ref.ts';
import type { RecordedSpec } from '../../model/desired.ts';
import { asServerName, namePattern, type ProjectName, type ServerName } from '../../model/ids.ts';
import type { ForeignRecord, RecordMaker } from '../../model/records.ts';
import { readSecretPrints, type SecretPrints } from '../../model/secrets/secret-prints.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { defined } from '../../model/values/defined.ts';
import { type ImageDigest, readSeen } from './image-digest.ts';
import { annotation, label } from './names.ts';
import type { KubeObject } from './objects.ts';
import { knownWritten, type Written } from './written.ts';

/** What records are written and read with. */
export type RecordReader = {
  /** Reads the record of a spec; undefined for text that this version cannot read. */
  readonly read: (text: string) => RecordedSpec | undefined;
  /** The signature of this machine; undefined where it has no key and can make none. */
  readonly sign: (text: string) => string | undefined;
  readonly makerOf: (text: string, signature: string) => RecordMaker;
  /** The hash of what a record says; what an annotation says of it nobody signed. */
  readonly hash: (recorded: RecordedSpec) => string;
};

/** What is signed of a server's record: of which server of which project it is, and what it was made from. */
export type Signed = {
  readonly project: ProjectName;
  readonly server: ServerName;
  readonly generation: number;
  readonly record: string;
  /** The digest of its image, where that is known. */
  readonly digest?: string | undefined;
};

export const signedText = ({ project, server, generation, record, digest }: Signed): string =>
  canonicalJson(['kubernetes', project, server, generation, record, ...(digest === undefined ? [] : [digest])]);

/** What is signed of a digest that a pod was seen with: of which spec, however its record says by now that pods are counted. */
export const seenText = ({
  project,
  server,
  generation,
  specHash,
  digest,
}: Pick<Signed, 'project' | 'server' | 'generation'> & {
  readonly specHash: string;
  readonly digest: string;
}): string => canonicalJson(['kubernetes image seen', project, server, generation, specHash, digest]);

/** What a Deployment or a ReplicaSet says that it was made from. Anybody who may write to the namespace can say it. */
export type Claim = {
  readonly server: ServerName;
  /** 1 for objects that `looms export` wrote, which do not say. */
  readonly generation: number;
  readonly recorded?: RecordedSpec;
  /** Set when this machine did not sign the record. */
  readonly foreignRecord?: ForeignRecord;
  /** Absent: its image is known by its name alone, as far as this machine signed it. */
  readonly image?: ImageDigest;
  /** Of what was recorded; '' where that cannot be read. */
  readonly specHash: string;
  readonly source?: string;
  readonly secretPrints?: SecretPrints;
  /** Of a generation that passed its gate: its pods as a looms asked for them that signs with the key used here. */
  readonly written?: Written;
  readonly managedBy: string;
};

/** What a note of a generation's pods is about. */
export const aboutPods = ({
  project,
  server,
  generation,
  specHash,
}: Pick<Signed, 'project' | 'server' | 'generation'> & Pick<Claim, 'specHash'>) => [
  'pods',
  project,
  server,
  generation,
  specHash,
];

/** Whether two generations were made of the same, as far as it is known by which digests they had their images. */
export const isSameRevision = (a: Claim, b: Claim): boolean =>
  a.specHash === b.specHash && (a.image === undefined || b.image === undefined || a.image.digest === b.image.digest);

/**
 * The digest of a generation's image, as its annotations say, where the key used here signed it. What another key is said to
 * have signed anybody can have written: it would make pods of any image look as declared.
 */
function imageDigestOf(
  annotations: Readonly<Record<string, string>>,
  signed: Signed & { readonly specHash: string },
  maker: RecordMaker,
  records: Pick<RecordReader, 'makerOf'>,
): ImageDigest | undefined {
  const { digest } = signed;
  if (digest !== undefined) return isDigest(digest) && maker.kind === 'here' ? { kind: 'pinned', digest } : undefined;
  const seen = readSeen(annotations[annotation.imageSeen] ?? '');
  if (seen === undefined) return undefined;
  const seer = records.makerOf(seenText({ ...signed, digest: seen.digest }), seen.signature);
  return seer.kind === 'here' ? { kind: 'seen', digest: seen.digest } : undefined;
}

/** The number of a generation in annotations of an object or of its pods; 1 where they say none that can be read. */
export function generationIn(annotations: Readonly<Record<string, string>> = {}): number {
  const text = annotations[annotation.generation] ?? '';
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 1;
}

/** The claim in an object's labels and annotations; undefined for one that is not of a server of the project. */
export function readClaim(
  { metadata }: KubeObject,
  project: ProjectName,
  records: Pick<RecordReader, 'read' | 'makerOf' | 'hash'>,
): Claim | undefined {
  const { labels = {}, annotations = {} } = metadata;
  const name = labels[label.server];
  if (labels[label.project] !== project || name === undefined || !namePattern.test(name)) return undefined;
  const server = asServerName(name);
  const generation = generationIn(annotations);
  const source = annotations[annotation.source];
  const text = annotations[annotation.record] ?? '';
  const read = records.read(text);
  const recorded = read?.spec.name === server ? read : undefined;
  const said = { project, server, generation, record: text, digest: annotations[annotation.image] };
  const signed = signedText(said);
  const maker = records.makerOf(signed, annotations[annotation.signature] ?? '');
  const foreignRecord: ForeignRecord | undefined =
    recorded === undefined || maker.kind === 'here'
      ? undefined
      : {
          digest: createHash('sha256').update(signed).digest('hex'),
          maker,
          imageId: recorded.image,
          ...defined({ source }),
        };
  const specHash = recorded === undefined ? '' : records.hash(recorded);
  return {
    server,
    generation,
    specHash,
    managedBy: annotations[annotation.managedBy] ?? labels[label.managedBy] ?? '',
    ...defined({
      recorded,
      foreignRecord,
      image: imageDigestOf(annotations, { ...said, specHash }, maker, records),
      written: knownWritten(annotations[annotation.written], aboutPods({ ...said, specHash }), records),
      source,
      secretPrints: readSecretPrints(annotations[annotation.secrets] ?? ''),
    }),
  };
}
