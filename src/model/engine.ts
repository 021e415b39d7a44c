/** Milliseconds since the epoch on the engine's clock. Ages are never measured against ours. */
export type EngineTime = number;

/** How long the engine may take to say how a container is, where a conversation with its server waits for that, ms. */
export const engineAnswerMs = 5_000;

/** What the cluster is called that a program in a pod finds itself in, where contexts of kubeconfig have names. */
export const inCluster = 'in-cluster';

/** Which engine a plan was made for, and what it can do. */
export type EngineDescription = {
  /** The engine's own id (`/info` ID); Podman has none that stays, and is told by its machine and folder. */
  readonly id: string;
  readonly name: string;
  readonly kind: 'docker' | 'podman';
  readonly version: string;
  readonly apiVersion: string;
  readonly os: string;
  readonly architecture: string;
  /** How we reached it, for people: `unix:///var/run/docker.sock (default socket)`. */
  readonly endpoint: string;
  readonly storageDriver: string;
  /** Whether a size limit of the writable layer can be asked for. */
  readonly canLimitStorage: boolean;
  /** Whether it holds a container to a limit of swap; else a server may swap as much as its host lets it. */
  readonly canLimitSwap: boolean;
  /** Whether an isolated network hides the engine's own host (not on Podman: its name server is on the gateway). */
  readonly canHideHost: boolean;
  /** Security modules that it puts its containers under by itself: `seccomp`, `apparmor`, `selinux`. */
  readonly securityModules: readonly string[];
  /** Where it keeps images, containers and volumes, links followed where it is this machine's; '' where it does not say. */
  readonly stateFolder: string;
  readonly cpus: number;
  readonly memoryBytes: number;
};

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
