import type { RecordedSpec } from '../../../model/desired.ts';
import type { ContainerState } from '../../../model/engine.ts';
import { LoomsError } from '../../../model/errors.ts';
import { asContainerId, shortId } from '../../../model/ids.ts';
import type { ForeignRecord, RecordMaker } from '../../../model/records.ts';
import { readSecretPrints } from '../../../model/secrets/secret-prints.ts';
import { defined } from '../../../model/values/defined.ts';
import { sha256 } from '../../../model/values/sha256.ts';
import { type Claim, readClaim, signedText } from '../../model/claims.ts';
import { label } from '../../model/labels.ts';
import type { ForeignContainer, ObservedContainer } from '../../model/observed.ts';
import type { LocatedContainer } from '../../port.ts';
import { engineTime } from '../connection/engine-clock.ts';
import { type ImageShare, type ReadingContext, shapeOf } from '../containers/docker-to-shape.ts';
import {
  engineHealthOf,
  type InspectedContainer,
  imageIdOf,
  type ListedContainer,
  listedName,
  runOf,
} from '../containers/inspected.ts';

/** What records are written and read with. */
export type RecordReader = {
  /** Reads the label `looms.spec`; undefined for text that this version cannot read. */
  readonly read: (text: string) => RecordedSpec | undefined;
  /** The signature of this machine; undefined where it has no key and can make none. */
  readonly sign: (text: string) => string | undefined;
  readonly makerOf: (text: string, signature: string) => RecordMaker;
};

/** What a record's labels say, and whether this machine signed it. One that speaks of another server says nothing. */
export function recordIn(
  labels: Readonly<Record<string, string>>,
  imageId: string,
  records: RecordReader,
): { readonly recorded?: RecordedSpec; readonly foreignRecord?: ForeignRecord } {
  const recorded = records.read(labels[label.spec] ?? '');
  if (recorded === undefined || recorded.spec.name !== labels[label.server]) return {};
  const text = signedText(labels, imageId);
  const maker = records.makerOf(text, labels[label.signature] ?? '');
  if (maker.kind === 'here') return { recorded };
  const source = labels[label.source];
  const digest = sha256(text);
  return { recorded, foreignRecord: { digest, maker, imageId, ...(source === undefined ? {} : { source }) } };
}

/** A container's state as the engine reports it, in our terms. */
export function stateOf(state: InspectedContainer['State']): ContainerState {
  const exitCode = state.ExitCode ?? 0;
  if (state.Dead === true) return { status: 'dead' };
  if (state.Restarting === true) return { status: 'restarting', exitCode };
  if (state.Running === true) {
    return { status: 'running', startedAt: engineTime(state.StartedAt), paused: state.Paused ?? false };
  }
  // A start that failed leaves a container 'created' with an exit code; it never ran all the same.
  if (state.Status === 'created' || state.Status === 'configured' || state.Status === 'initialized')
    return { status: 'created' };
  return {
    status: 'exited',
    exitCode,
    finishedAt: engineTime(state.FinishedAt),
    oomKilled: state.OOMKilled ?? false,
  };
}

/** What a container of ours says of itself; who lists them believed it before (ownership.ts). */
function claimOf(labels: Readonly<Record<string, string>>, id: string): Claim {
  const claim = readClaim(labels);
  if (claim === undefined) throw new LoomsError('internal', `container ${shortId(id)} was taken for one of looms`);
  return claim;
}

/** A generation's number from its label; 0 for what is none. */
export const generationOf = (text: string | undefined): number => (/^\d{1,9}$/.test(text ?? '') ? Number(text) : 0);

/** A container of the project, from its inspect answer and what its image brings into it. */
export function observedContainer(
  container: InspectedContainer,
  image: ImageShare,
  context: ReadingContext,
  records: RecordReader,
): ObservedContainer {
  const labels = container.Config.Labels ?? {};
  const { role, server, generation } = claimOf(labels, container.Id);
  const source = labels[label.source];
  // Only some containers are given these: what an image brings is not about this one.
  const given = (key: string) => (image.labels[key] === undefined ? labels[key] : undefined);
  const restoredFrom = given(label.restoredFrom);
  const keptFrom = given(label.keptFrom);
  const egress = given(label.egress);
  const secretPrints = readSecretPrints(given(label.secrets) ?? '');
  return {
    id: asContainerId(container.Id),
    name: container.Name.replace(/^\//, ''),
    role,
    ...(server === undefined ? {} : { server }),
    generation,
    createdAt: engineTime(container.Created),
    state: stateOf(container.State),
    run: runOf(container.State),
    restartCount: container.RestartCount ?? 0,
    engineHealth: engineHealthOf(container.State),
    specHash: labels[label.specHash] ?? '',
    ...recordIn(labels, imageIdOf(container.Image), records),
    ...(source === undefined ? {} : { source }),
    ...(restoredFrom === undefined ? {} : { restoredFrom: asContainerId(restoredFrom) }),
    ...(keptFrom === undefined ? {} : { keptFrom: asContainerId(keptFrom) }),
    ...defined({ secretPrints, egress }),
    managedBy: labels[label.managedBy] ?? '',
    imageRef: labels[label.image] ?? container.Config.Image ?? '',
    shape: shapeOf(container, image, context),
  };
}

/** Whose a container is, for people, by the labels that its maker left. */
function makerOf(labels: Readonly<Record<string, string>>): string {
  const compose = labels['com.docker.compose.project'];
  const looms = labels[label.project];
  if (looms !== undefined) return `looms project ${looms}`;
  return compose === undefined ? 'unknown' : `compose project ${compose}`;
}

/** A container that is not the project's, by its listing. */
export const foreignContainer = (info: ListedContainer, claims: boolean): ForeignContainer => ({
  id: asContainerId(info.Id),
  name: listedName(info),
  image: info.Image,
  owner: claims ? 'unknown' : makerOf(info.Labels ?? {}),
  ...(claims ? { claims } : {}),
});

const listedStatuses: readonly string[] = ['running', 'paused', 'restarting'] satisfies LocatedContainer['status'][];
const listedStatus = (state: string): LocatedContainer['status'] =>
  listedStatuses.includes(state) ? (state as LocatedContainer['status']) : 'stopped';

/** What a container's listing alone tells. One without a word about its image's shell is taken to have one. */
export function locatedContainer(listed: ListedContainer, records: RecordReader): LocatedContainer {
  const labels = listed.Labels ?? {};
  const { role, server, generation } = claimOf(labels, listed.Id);
  return {
    id: asContainerId(listed.Id),
    name: listedName(listed),
    role,
    ...(server === undefined ? {} : { server }),
    generation,
    running: listed.State === 'running',
    status: listedStatus(listed.State),
    ...recordIn(labels, imageIdOf(listed.ImageID), records),
    ...defined({ secretPrints: readSecretPrints(labels[label.secrets] ?? '') }),
    imageRef: labels[label.image] ?? listed.Image,
    imageId: imageIdOf(listed.ImageID),
    hasShell: labels[label.hasShell] !== 'false',
  };
}
