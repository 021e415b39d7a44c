import type { Recipe } from '../model/container/recipe.ts';
import type { DockerDescription, GenerationOutcome } from '../model/engine.ts';
import type { StepProgress } from '../model/events.ts';
import type { ContainerId, ImageId, NetworkId, ProjectName, ServerName } from '../model/ids.ts';
import type { ServerContainer } from '../model/server-view.ts';
import type { LockKeeper } from '../orchestrator/common/project-lock.ts';
import type { Orchestrator } from '../orchestrator/port.ts';
import type { CallOptions, SessionHost } from '../orchestrator/session-host.ts';
import type { Role } from './model/labels.ts';
import type { BuiltImages, NetworkShape, Observed } from './model/observed.ts';
import type { ContainerShape, ImageFacts } from './model/shape.ts';

export type { LockHolder } from '../model/lock.ts';
export type { LockAttempt, LockRequest } from '../orchestrator/common/project-lock.ts';
export type { EngineAttempt, EventQuery, ServerWatch } from '../orchestrator/port.ts';
export type {
  CallOptions,
  ContainerRun,
  ExecRequest,
  ExecSession,
  LogLine,
  LogMoment,
  LogQuery,
} from '../orchestrator/session-host.ts';

export type ProgressSink = (progress: StepProgress) => void;

export type ObserveQuery = {
  readonly project: ProjectName;
  /** Only containers of these servers are looked at, whose inspection is what a listing costs most; absent: all. */
  readonly servers?: readonly ServerName[];
  /** References whose local image is wanted. */
  readonly images: readonly string[];
  /** References of which the registry is asked for its digest (pull policy `always`); at most 15 s in all. */
  readonly checkRegistry: readonly string[];
};

/** What a registry says of a reference; `unknown`: it does not tell. */
export type RegistryHolding =
  | { readonly holds: 'image'; readonly digest: string }
  | { readonly holds: 'none' | 'unknown' };

export type CreateContainer = {
  readonly name: string;
  readonly shape: ContainerShape;
  /** Our labels; the user's own are in the shape. */
  readonly ownLabels: Readonly<Record<string, string>>;
  readonly platform?: string;
  /** Mount targets of fresh volumes, given to the shape's user before the first start. */
  readonly ownTargets: readonly string[];
  /** Written to the secrets file (`secretsFilePath` of model/resolve-shape) that PID 1's wrapper reads; only for HTTP servers with secrets. */
  readonly secrets?: Readonly<Record<string, string>>;
};

/** A container as its labels and state tell, without inspecting it. */
export type LocatedContainer = Omit<ServerContainer, 'server'> & {
  readonly role: Role;
  readonly server?: ServerName;
  readonly running: boolean;
  readonly imageRef: string;
  /** What it was made of, whatever its reference means by now. */
  readonly imageId: ImageId;
  readonly hasShell: boolean;
};

/** What runs containers: a method is a plan's step, or a question. Expected failures are `LoomsError`s. */
export type Engine = SessionHost &
  LockKeeper &
  Pick<Orchestrator, 'usage' | 'events' | 'watchServers'> & {
    describe(options?: CallOptions): Promise<DockerDescription>;
    /** Lists a project's reality; read-only. Only successful listings return: a failure is never an empty list. */
    observe(query: ObserveQuery, options?: CallOptions): Promise<Observed>;
    /**
     * A project's containers by one listing, sorted by generation; for sessions, where each round trip counts. All, or those
     * of one server or of one role alone: the records of a large project cost more than the listing.
     */
    locate(
      project: ProjectName,
      options?: CallOptions & { readonly of?: { readonly server: ServerName } | { readonly role: Role } },
    ): Promise<readonly LocatedContainer[]>;
    /** Names of all projects that have a container here, sorted. */
    projects(options?: CallOptions): Promise<readonly ProjectName[]>;

    /** By reference or id. `mayLook` false: that of an image nobody has looked into, `hasShell` stays null, and nothing is made. */
    findImage(ref: string, options?: CallOptions & { readonly mayLook?: boolean }): Promise<ImageFacts | null>;
    pullImage(
      ref: string,
      wanted: { platform?: string },
      onProgress: ProgressSink,
      options?: CallOptions,
    ): Promise<ImageFacts>;
    /** What a registry has under a reference, asked now. Throws `image-push-failed` where it is not reached. */
    registryHolds(ref: string, options?: CallOptions): Promise<RegistryHolding>;
    /**
     * Brings an image that is here to the registry that `ref` names, with the user's credentials. The digest that it has
     * there; undefined where the engine does not tell. Throws `registry-unauthorized`, `image-push-failed`.
     */
    pushImage(id: ImageId, ref: string, onProgress: ProgressSink, options?: CallOptions): Promise<string | undefined>;
    buildImage(
      recipe: Recipe,
      settings: BuildSettings,
      onProgress: ProgressSink,
      options?: CallOptions,
    ): Promise<ImageFacts>;

    /** Removes an image built under `ref`. false: looms did not build it, it has another name, or is in use. */
    removeBuiltImage(id: ImageId, ref: string, options?: CallOptions): Promise<boolean>;

    /** All images that looms built on this engine, for any project, and who may be about to use one; read-only. */
    builtImages(options?: CallOptions): Promise<BuiltImages>;
    /** Removes a volume with its data; false when it is not the project's, or is in use. One that is gone is no error. */
    removeVolume(project: ProjectName, name: string, options?: CallOptions): Promise<boolean>;

    createNetwork(
      network: NetworkShape,
      labels: Readonly<Record<string, string>>,
      options?: CallOptions,
    ): Promise<NetworkId>;
    /** false: the engine keeps it although no container is on it (see the adapter); it does no harm. */
    removeNetwork(id: NetworkId, options?: CallOptions): Promise<boolean>;

    createContainer(request: CreateContainer, options?: CallOptions): Promise<ContainerId>;
    /**
     * Copies a file or folder of a container's writable layer to the same place in another, with owners and modes; both
     * may be stopped. A path that `from` does not have is no error. Throws `engine-rejected` above 1 GiB.
     */
    copyPath(from: ContainerId, to: ContainerId, path: string, options?: CallOptions): Promise<void>;
    startContainer(id: ContainerId, options?: CallOptions): Promise<void>;
    unpauseContainer(id: ContainerId, options?: CallOptions): Promise<void>;
    /** SIGTERM, then SIGKILL after `graceSeconds`. A container that is stopped already is no error. */
    stopContainer(id: ContainerId, graceSeconds: number, options?: CallOptions): Promise<void>;
    /** Removes the container and its anonymous volumes, also when it runs. One that is gone already is no error. */
    removeContainer(id: ContainerId, options?: CallOptions): Promise<void>;
    renameContainer(id: ContainerId, name: string, options?: CallOptions): Promise<void>;
    /** What TCP sockets of a container that runs listen on, as `address:port`, IPv4. */
    listeningOn(id: ContainerId, options?: CallOptions): Promise<readonly string[]>;
    /**
     * Keeps a record of a generation under the name `record`: what its labels say it was made from, and its image. One
     * that is there already is no error. false: its container or its image is gone, so that there is nothing to go back to.
     */
    recordGeneration(
      id: ContainerId,
      record: { readonly record: string; readonly outcome: GenerationOutcome; readonly failure?: string },
      options?: CallOptions,
    ): Promise<boolean>;
    /** Ends connections that are kept alive. */
    close(): Promise<void>;
  };

export type BuildSettings = {
  /** Build arguments of proxies as given in the environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY and lower case. */
  readonly proxies: Readonly<Record<string, string>>;
  /** false: an image that the build starts from and that is absent is `image-not-found`, not pulled. */
  readonly mayPull: boolean;
  /** Labels on the built image, ours. */
  readonly labels: Readonly<Record<string, string>>;
};
