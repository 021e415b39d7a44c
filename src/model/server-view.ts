import type { DesiredServer, RecordedSpec } from './desired.ts';
import type { ContainerState, EngineDescription, EngineHealth, EngineTime, GenerationOutcome } from './engine.ts';
import type { ContainerId, ProjectName, ServerName } from './ids.ts';
import type { Notice } from './notices.ts';
import type { FieldDifference } from './plan.ts';
import type { ForeignRecord } from './records.ts';
import type { SecretPrints } from './secrets/secret-prints.ts';

/**
 * How a server is doing as far as the engine alone can tell; whether it answers MCP is asked by a gate or a call. `asleep`: it
 * has no container while it has no session, and the next one wakes it (`mcp_server.scale`).
 */
export type ServerState = 'running' | 'paused' | 'asleep' | 'stopped' | 'disabled' | 'restarting' | 'pending' | 'dead';

/** One container of a server. */
export type ServerInstance = {
  readonly container: ContainerId;
  readonly containerName: string;
  readonly generation: number;
  /** Tells one run of it from the next: when it last began, as the engine writes it; '' for one that never ran. */
  readonly run: string;
  /** How often the engine has started it again since somebody last did. */
  readonly restarts: number;
  /** What the HEALTHCHECK of its image says; null where there is none, or it does not run. */
  readonly engineHealth: EngineHealth | null;
  /** The command that shows what that HEALTHCHECK says. */
  readonly engineHealthCommand: string;
};

/** What a container was made from, as its labels say. */
export type MadeFrom = {
  /** Absent when it cannot be read. */
  readonly recorded?: RecordedSpec;
  /** Set when this machine did not sign the record. */
  readonly foreignRecord?: ForeignRecord;
};

/** What the engine by itself mounts in a container, beside what the kernel needs: no spec asks for it. */
export type EngineMounts = {
  readonly at: ReadonlySet<string>;
  /** Places in memory. */
  readonly tmpfsAt: ReadonlySet<string>;
  /** Whether a folder of the host, as mountinfo names it, is a volume that nobody named: those that an image asks for. */
  readonly unnamedVolume: RegExp;
};

/** A server in words of every engine, by the container that sessions meet, else the settled one, else the newest. */
export type ServerView = ServerInstance &
  MadeFrom & {
    readonly name: ServerName;
    readonly project: ProjectName;
    /** Where the project has several engines, which of them it is on. */
    readonly engine?: string;
    /** Of the secrets that its container was given when it was made. */
    readonly secretPrints?: SecretPrints;
    readonly state: ServerState;
    /** How many containers of it are ready, and how many there shall be. */
    readonly replicas: { readonly ready: number; readonly asked: number };
    /** It runs under a name that somebody gave it by hand, so that nothing finds it under its own. */
    readonly renamed: boolean;
    readonly status: ContainerState;
    readonly image: string;
    readonly imageId: string;
    readonly createdAt: EngineTime;
    /** File, line and commit of the spec it was made from. */
    readonly source: string | null;
    readonly specHash: string;
    readonly managedBy: string;
    /** All containers of the server, this one included; more than `replicas.asked`: an interrupted rotation, or duplicates. */
    readonly instances: readonly ServerInstance[];
    /** What PID 1 is, without secrets; null: it only waits for sessions, each of which is a process of its own. */
    readonly pidOne: readonly string[] | null;
    readonly user: string;
    readonly limits: { readonly cpuCores: number; readonly memoryMiB: number; readonly pids: number };
    readonly networks: readonly string[];
    /** Whether the networks that it is on now keep it from the engine's host. */
    readonly hidesHost: boolean;
    readonly mounts: readonly {
      readonly type: 'bind' | 'volume';
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
    }[];
    readonly security: {
      readonly readOnlyRoot: boolean;
      readonly capDrop: readonly string[];
      readonly capAdd: readonly string[];
      readonly noNewPrivileges: boolean;
    };
    /** What else says how it is confined. */
    readonly confinement: {
      readonly privileged: boolean;
      /** What it may have besides its memory; null: no limit. */
      readonly swapMiB: number | null;
      /** What it may write to its own file system; null: no limit. */
      readonly storageMiB: number | null;
      /** Options that change its seccomp, AppArmor or SELinux profile, as they were given. */
      readonly securityOptions: readonly string[];
      /** Namespaces that are the host's or another container's. */
      readonly sharedNamespaces: readonly string[];
      readonly devices: readonly string[];
      /** Names of the variables in its configuration. */
      readonly environment: readonly string[];
      /** Paths that are in memory, and whether programs in them can be run. */
      readonly tmpfs: readonly { readonly path: string; readonly exec: boolean }[];
      /** The mounts of the recorded spec, as the engine would say them; without a record that can be read none. */
      readonly recordedMounts: ServerView['mounts'];
      /** The one address at which a container asks for names, which the engine answers; null where it has no address of its own. */
      readonly nameServer: string | null;
      readonly engineMounts: EngineMounts;
      /** Settings that no spec can ask for, as `uts=host`. */
      readonly otherSettings: readonly string[];
      readonly networks: readonly {
        readonly name: string;
        /** Nothing on it has a way out, as the engine says now. */
        readonly internal: boolean;
        readonly ipv6: boolean;
        /** Whether it is one of those of the recorded spec; else somebody has connected it. */
        readonly isRecorded: boolean;
      }[];
      readonly publishes: readonly string[];
      /** Where its `/etc/hosts` leads the names on the allow-list of its recorded spec. */
      readonly listedNames: readonly { readonly name: string; readonly address: string }[];
      /**
       * The forwarder that was made for its allow-list (on a cluster its policies), or what stands in for an address on it where that is not as it should be;
       * null without a list, and where one of them is missing.
       */
      readonly forwarder: {
        readonly name: string;
        /** When it was made, and so since when it notes what it refuses. */
        readonly since: EngineTime;
        readonly running: boolean;
        /** Whether the server is on the networks that it shares with it. */
        readonly joined: boolean;
        /** What of it is not as it is made, as `docker_backend.network.NAME`; none: nothing. */
        readonly differs: readonly string[];
      } | null;
    };
    /** When it is due to be replaced by age; null: never. */
    readonly rotatesAt: EngineTime | null;
  };

/** What a server with an allow-list was refused, or tried in vain, and how often its forwarder noted it. */
export type Refusal = {
  readonly what: string;
  /** What to list so that it is allowed: `host:port`, or `host:PORT` where only the name was asked for; null where that is no help. */
  readonly entry: string | null;
  readonly times: number;
  /** How many lines of the forwarder's log were read, the last ones, where it has more: what came before is not counted. */
  readonly ofLast?: number;
};

/** All that a server was refused, as far as the logs of its forwarders tell. */
export type Refused = {
  /** The most frequent first; without `ofLast`. */
  readonly refusals: readonly Omit<Refusal, 'ofLast'>[];
  /** How many lines of a log were read, the last ones, where it has more: what came before is not counted. */
  readonly linesRead?: number;
};

/** Whose refusals are asked for. */
export type RefusedServer = Pick<ServerView, 'project' | 'name' | 'foreignRecord' | 'secretPrints'> & {
  readonly recorded?: Pick<RecordedSpec, 'spec'>;
};

/** The servers of a project in one look. */
export type ServerListing = {
  readonly project: ProjectName;
  readonly engine: EngineDescription;
  readonly now: EngineTime;
  /** Sorted by name. */
  readonly servers: readonly ServerView[];
  /** Servers of which only the past is recorded. */
  readonly deleted: readonly ServerName[];
  /** What looks like the project's and is not; foreign names in it. */
  readonly notices: readonly Notice[];
};

/** What an image adds to what is known of a server. */
export type ServerImage = {
  /** What is run as the server, without secrets; empty when its image, which says so, is gone. */
  readonly command: readonly string[];
  /** As its registry names it; empty for one that was built here or is gone. */
  readonly digests: readonly string[];
};

/** One generation of a server: of its container where that is there, else of its record. */
export type GenerationView = Pick<
  ServerView,
  'generation' | 'container' | 'image' | 'imageId' | 'source' | 'specHash' | 'recorded'
> & {
  /** How it is doing, or how it ended. */
  readonly state: ServerState | GenerationOutcome;
  /** Whether its container is there. */
  readonly live: boolean;
  /** What it failed its gate with, and the end of what it wrote; null for one that passed. */
  readonly failure: string | null;
  /** When its container was made; null when its record cannot say. */
  readonly since: EngineTime | null;
  /** When something else took its place; null while its container is there. */
  readonly until: EngineTime | null;
  /** What differs from the generation that served before it; null when there is none, or one of both cannot be read. */
  readonly changes: readonly FieldDifference[] | null;
};

/** A container of a server as a listing tells it, for logs. */
export type ServerContainer = MadeFrom & {
  readonly id: ContainerId;
  readonly name: string;
  readonly server: ServerName;
  readonly generation: number;
  /** Of the secrets that it was given when it was made. */
  readonly secretPrints?: SecretPrints;
  /** `stopped` is also what was never started. */
  readonly status: 'running' | 'paused' | 'restarting' | 'stopped';
};

/** Where a server finds the hosts of its allow-list, as far as what it says of them tells that. */
export type ListedPlace = {
  /** Finds such an address in a text. */
  readonly address: RegExp;
  /** For people: `169.254.0.0/16`. */
  readonly range: string;
};

/** How an HTTP server is dialled (`SessionHost.dial`). */
export type Reach = {
  /** What connections go through, in words that its orchestrator alone reads: of Docker's, the relay. */
  readonly way: string;
  /** The name that the server has there, which requests name as well. */
  readonly host: string;
};

/** The generation that sessions go to, with all that opening one needs but secrets. */
export type Serving = {
  readonly container: ContainerId;
  readonly containerName: string;
  readonly project: ProjectName;
  readonly generation: number;
  /** It has not passed its gate yet, or that is not known: it serves where nothing else does. */
  readonly isUnproven?: true;
  readonly spec: DesiredServer;
  /** Of the secrets that the container was given when it was made. */
  readonly secretPrints?: SecretPrints;
  /** The image's reference, as the record has it. */
  readonly imageRef: string;
  readonly foreignRecord?: ForeignRecord;
  /** argv of a stdio server's session, complete; empty for an HTTP server. */
  readonly argv: readonly string[];
  /** Whether the image has a shell: without one the argv runs bare, with no wrapper around it. */
  readonly hasShell: boolean;
  /** Id of the container's image: what is learned about the server's protocol is remembered for it. */
  readonly image: string;
  /**
   * What else serves just now, by the same listing, with the run that each is in (`ServerInstance.run`): the same, and what was
   * there before as long as that has not been replaced as a whole.
   */
  readonly beside?: readonly Pick<ServerInstance, 'container' | 'run' | 'generation'>[];
  /** Of an HTTP server. */
  readonly reach?: Reach;
  /** Of a server with an allow-list. */
  readonly listed?: ListedPlace;
};
