import { asProjectName, asServerName, namePattern, type ProjectName, type ServerName } from '../../model/ids.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { label, type Role } from './labels.ts';

/** What is signed of a server's record: which server it is, what it was made from, and of which image. */
export const signedText = (labels: Labels, imageId: string): string =>
  canonicalJson([
    labels[label.project] ?? '',
    labels[label.server] ?? '',
    labels[label.generation] ?? '',
    labels[label.spec] ?? '',
    imageId,
  ]);

type Labels = Readonly<Record<string, string>>;

/** What a container says it is. Anybody can say it: `isBelieved` tells whether it counts. */
export type Claim = {
  readonly project: ProjectName;
  readonly role: Role;
  readonly server?: ServerName;
  /** 0 for roles that have none. */
  readonly generation: number;
};

const roles: ReadonlySet<string> = new Set([
  'server',
  'relay',
  'lock',
  'helper',
  'data',
  'history',
  'forwarder',
] satisfies Role[]);
const ofServers: ReadonlySet<Role> = new Set<Role>(['server', 'data', 'history', 'forwarder']);
const ofGenerations: ReadonlySet<Role> = new Set<Role>(['server', 'history']);

const isName = (text: string | undefined): text is string => text !== undefined && namePattern.test(text);

/** The claim in a container's labels; undefined unless each part of it is as looms writes it. */
export function readClaim(labels: Labels): Claim | undefined {
  const project = labels[label.project];
  const role = labels[label.role] as Role | undefined;
  const server = labels[label.server];
  const generation = labels[label.generation];
  if (!isName(project) || role === undefined || !roles.has(role)) return undefined;
  if (server === undefined ? ofServers.has(role) : !isName(server)) return undefined;
  if (ofGenerations.has(role) && !/^\d{1,9}$/.test(generation ?? '')) return undefined;
  return {
    project: asProjectName(project),
    role,
    ...(server === undefined ? {} : { server: asServerName(server) }),
    generation: Number(ofGenerations.has(role) ? generation : 0),
  };
}

/** A container as far as believing it goes. */
type Claimant = {
  readonly labels: Labels;
  /** What it was made of, as the engine says. */
  readonly imageId: string;
  /** Labels that its image brings along; undefined where nobody looked, or the image is gone. */
  readonly imageLabels?: Labels | undefined;
};

/**
 * Whether its labels can only have been given to it when it was created. A label with the id of its image says so: an
 * image cannot hold its own id, and what is committed from a container gets another one.
 */
export const isBound = ({ labels, imageId }: Claimant): boolean => labels[label.imageId] === imageId;

/** What no image of ours says; the role is left out, as the image of the lock has one. */
const identity = [label.project, label.server, label.generation, label.spec] as const;

/**
 * Whether a container is what it claims to be. Those of earlier versions have no label with the id of their image; of such a
 * one nothing is believed that its image says as well, and nothing at all when its image is not there to be looked at.
 */
export function isBelieved(one: Claimant): boolean {
  if (readClaim(one.labels) === undefined) return false;
  if (one.labels[label.imageId] !== undefined) return isBound(one);
  const { imageLabels } = one;
  return imageLabels !== undefined && identity.every((key) => imageLabels[key] === undefined);
}
