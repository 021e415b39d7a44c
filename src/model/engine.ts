import { LoomsError } from './errors.ts';

/** Milliseconds since the epoch on the engine's clock. Ages are never measured against ours. */
export type EngineTime = number;

/** How long the engine may take to say how a container is, where a conversation with its server waits for that, ms. */
export const engineAnswerMs = 5_000;

/** What the cluster is called that a program in a pod finds itself in, where contexts of kubeconfig have names. */
export const inCluster = 'in-cluster';

/** What every engine says of itself: which one a plan was made for, and what it can do. */
type AnyEngine = {
  /**
   * The engine's own id (`/info` ID); Podman has none that stays, and is told by its machine and folder. Of a cluster the
   * uid of its namespace `kube-system`, which stays as long as the cluster does.
   */
  readonly id: string;
  /** Of a cluster its context. */
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
  /** Of a cluster those of most of its nodes. */
  readonly os: string;
  readonly architecture: string;
  /** How we reached it, for people: `unix:///var/run/docker.sock (default socket)`. */
  readonly endpoint: string;
  /** Whether a size limit of the writable layer can be asked for. */
  readonly canLimitStorage: boolean;
  /** Whether it holds a container to a limit of swap; else a server may swap as much as its host lets it. */
  readonly canLimitSwap: boolean;
  /** Whether a container can be given a limit of its processes (no pod can: it is a setting of its node). */
  readonly canLimitProcesses: boolean;
  /**
   * Whether an isolated network hides the engine's own host: not on Podman, whose name server is on the gateway; on a cluster
   * where that was seen to hold, as Kubernetes itself promises nothing of a pod and its node.
   */
  readonly canHideHost: boolean;
  /** Security modules that it puts its containers under by itself: `seccomp`, `apparmor`, `selinux`. */
  readonly securityModules: readonly string[];
  /** Of a cluster what its nodes give to pods; 0 where they were not asked. */
  readonly cpus: number;
  readonly memoryBytes: number;
};

/** A Docker Engine, or Podman. */
export type DockerDescription = AnyEngine & {
  readonly kind: 'docker' | 'podman';
  readonly storageDriver: string;
  /** Where it keeps images, containers and volumes, links followed where it is this machine's; '' where it does not say. */
  readonly stateFolder: string;
};

/** A Kubernetes cluster; `version` is that of its API server, `apiVersion` v1. */
export type ClusterDescription = AnyEngine & {
  readonly kind: 'kubernetes';
  /** How many nodes take pods; 0 also where they may not be listed, and with plans and lists, which do not ask. */
  readonly nodes: number;
  /** Whether a server can be led to hosts by name: it has the policies of Cilium, whoever enforces them. */
  readonly canLeadByName: boolean;
};

/** An engine of one kind. */
export type SingleDescription = DockerDescription | ClusterDescription;

/** The engines of a project that has several, as one. What is said of it holds of all that answered. */
export type SeveralDescription = AnyEngine & {
  readonly kind: 'several';
  /** By the names that looms.yaml gives them. */
  readonly engines: Readonly<Record<string, SingleDescription>>;
  /** Those that did not answer, and why. */
  readonly away: Readonly<Record<string, string>>;
};

export type EngineDescription = SingleDescription | SeveralDescription;

/** The engine that something is on: of several, the one of that name, which has answered. */
export function engineNamed(
  engine: EngineDescription,
  { engine: name = '' }: { readonly engine?: string },
): SingleDescription {
  if (engine.kind !== 'several') return engine;
  const found = engine.engines[name];
  if (found === undefined) throw new LoomsError('internal', `nothing is known of engine ${JSON.stringify(name)}`);
  return found;
}

/** What of an engine a path of its host hands over: its socket, or the folder of its state. */
export type EnginePart = { readonly kind: 'socket' | 'state'; readonly path: string };

export type ContainerState =
  | { readonly status: 'created' }
  | { readonly status: 'running'; readonly startedAt: EngineTime; readonly paused: boolean }
  | { readonly status: 'restarting'; readonly exitCode: number }
  | {
      readonly status: 'exited';
      readonly exitCode: number;
      readonly finishedAt: EngineTime;
      readonly oomKilled: boolean;
    }
  | { readonly status: 'dead' };

/** What the HEALTHCHECK of an image says, where it has one. */
export type EngineHealth = 'starting' | 'healthy' | 'unhealthy';

/**
 * How a past generation ended. rotated: its successor had the same spec and image; repaired: that, and its container had
 * been changed by hand; rolled-back: a rollback put another in its place; deleted: its server was; gate-failed: it never
 * served.
 */
export const generationOutcomes = ['replaced', 'rotated', 'repaired', 'rolled-back', 'deleted', 'gate-failed'] as const;

export type GenerationOutcome = (typeof generationOutcomes)[number];
