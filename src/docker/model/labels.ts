import type { ProjectName, ServerName } from '../../model/ids.ts';

/** Keys of the labels on everything that is ours. */
export const label = {
  project: 'looms.project',
  server: 'looms.server',
  generation: 'looms.generation',
  role: 'looms.role',
  spec: 'looms.spec',
  specHash: 'looms.spec-hash',
  image: 'looms.image',
  /** The id of the image that a container was created from: what no image can say of itself (claims.ts). */
  imageId: 'looms.image-id',
  managedBy: 'looms.managed-by',
  source: 'looms.source',
  /** Records of generations: how it ended, what failed its gate, when it was made (ISO 8601, engine's clock). */
  outcome: 'looms.outcome',
  failure: 'looms.failure',
  since: 'looms.since',
  /** Volumes: the name as the spec has it. */
  volume: 'looms.volume',
  /** Servers: the id of the container that kept the files which it was given. */
  restoredFrom: 'looms.restored-from',
  /** Kept data: the id of the container that it was copied from. */
  keptFrom: 'looms.kept-from',
  /** Images and their containers: whether there is a shell and `sleep` inside, `true` or `false`; saves a probe. */
  hasShell: 'looms.has-shell',
  /** On Podman: which names of its environment a container was given of those that Podman adds by itself. */
  givenEnv: 'looms.given-env',
  /** HTTP servers: keyed hashes of the secrets that they were given (secret-prints.ts). */
  secrets: 'looms.secrets',
  /** Servers: the HMAC of their record by the machine that made it (claims.ts). */
  signature: 'looms.signature',
  /** Forwarders: which addresses are theirs, and for which list of hosts (way-out.ts); of stand-ins, what is handed on where. */
  egress: 'looms.egress',
  /** For users of loom: the server's name. */
  loomServer: 'loom.mcp.server',
  loomType: 'loom.type',
} as const;

/**
 * helper: made, used and removed within one step; one that is seen was left by a run that was killed.
 * data: never started; keeps the preserved files of a server that was deleted until the next one of its name.
 * forwarder: what an isolated server reaches of the outside goes through it, and nothing else does; also what stands in for an
 * address that it lists (stand-in.ts).
 * history: the record of a past generation, created and never started.
 */
export type Role = 'server' | 'relay' | 'lock' | 'helper' | 'data' | 'history' | 'forwarder';

/** Prefix of every container name of a project, its support containers included. */
export const projectPrefix = (project: ProjectName): string => `looms-${project}`;

/** A server's settled container name; it is given only after the gate passed. */
export const containerName = (project: ProjectName, server: ServerName): string => `looms-${project}-${server}`;

/** The name of generation `generation` until its gate passed, and again once its successor has the settled name. */
export const generationName = (project: ProjectName, server: ServerName, generation: number): string =>
  `${containerName(project, server)}.g${generation}`;

/** The name of the record that is kept of generation `generation` once its container is gone. */
export const recordName = (project: ProjectName, server: ServerName, generation: number): string =>
  `${containerName(project, server)}.h${generation}`;

/** A dot keeps support containers out of the servers' name space: a server's name has none. */
export const lockName = (project: ProjectName): string => `looms-${project}.lock`;
export const relayName = (project: ProjectName, network: 'isolated' | 'bridge'): string =>
  `looms-${project}.relay${network === 'isolated' ? '' : '-open'}`;
export const dataName = (project: ProjectName, server: ServerName): string => `looms-${project}-${server}.data`;
export const networkName = (project: ProjectName, mode: 'isolated' | 'bridge'): string =>
  `looms-${project}${mode === 'isolated' ? '' : '.open'}`;
export const egressSuffix = '.egress';
/** The network that a server shares with its forwarder and its stand-ins, and nobody else. */
export const egressNetworkName = (project: ProjectName, server: ServerName): string =>
  `${containerName(project, server)}${egressSuffix}`;
/** The network through which the forwarders of a project reach the outside. */
export const outNetworkName = (project: ProjectName): string => `looms-${project}.out`;
/** `part` says which of the addresses of its server's network are its own. */
export const forwarderName = (project: ProjectName, server: ServerName, part: number): string =>
  `${containerName(project, server)}.egress-${part}`;
/** The network around addresses that a server lists, by the first address of the subnet. */
export const blockNetworkName = (project: ProjectName, server: ServerName, subnet: string): string =>
  `${containerName(project, server)}.${subnet.split('/')[0]}${egressSuffix}`;
/** Of the networks that lead a server out: the one that it shares with its forwarder. */
export const mainEgressNetwork = (name: string): string => name.replace(/(?:\.\d+){4}\.egress$/, egressSuffix);
/** What has an address that a server lists. */
export const standInName = (project: ProjectName, server: ServerName, address: string): string =>
  `${containerName(project, server)}.egress-${address}`;
/** Volumes are scoped by the project, as in Compose: two projects never share one by accident. */
export const volumeName = (project: ProjectName, name: string): string => `looms-${project}-${name}`;
