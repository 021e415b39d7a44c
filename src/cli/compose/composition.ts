import type { ConnectPorts } from '../../app/connect/ports.ts';
import type { ExportTarget } from '../../app/export/export-servers.ts';
import type { PageSourceParts } from '../../app/page/page-source.ts';
import type { SavedPlan } from '../../app/plan/saved-plan.ts';
import type { Ports } from '../../app/ports.ts';
import type { LoopStatus } from '../../app/watch/loop-record.ts';
import type { AlertSettings } from '../../model/alerts.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Policies } from '../../model/policy.ts';
import type { ListedKeys } from '../../model/secrets/secret-names.ts';
import type { Exporter } from '../../orchestrator/export.ts';
import type { SecretStore, WritableProvider } from '../../secrets/provider.ts';
import type { PageLogin } from '../../serve/page/ask-for-code.ts';
import type { RunningGateway, RunningStatus } from '../../serve/run.ts';
import type { SessionBounds } from '../../serve/sessions/sessions.ts';
import type { Measured } from '../../serve/status.ts';
import type { ClientTokens } from '../../state/client-tokens.ts';
import type { NearCommands, Warm } from '../near/warm.ts';
import type { FoundProjectFile } from '../project/project-file.ts';
import type { Program } from '../terminal/program.ts';

export type Settings = {
  /** `--host` and `--context`. */
  readonly host: string | undefined;
  readonly context: string | undefined;
  readonly program: Program;
  /** The command without its arguments, which may hold values that nobody else should read in a lock. */
  readonly command: string;
  /** `looms/<version>`. */
  readonly managedBy: string;
  /** Whether it serves or watches until it is stopped: what it writes of servers is done beside all else. */
  readonly goesOn: boolean;
  /** `--trust-record`. */
  readonly trustRecord: boolean;
  /** What the flags name as specs, as written: the project file is looked for from there. */
  readonly specPaths: readonly string[];
  /** The file of a saved plan, whose spec files take the place of those paths. */
  readonly planFile?: string | undefined;
  /** Shows a record and asks on the terminal; no where there is none. */
  readonly askForTrust: Ports['trust']['ask'];
};

/** The stores of this machine that `looms config` writes to. */
export type MachineStore = 'file' | 'keyring';

/** Where secrets are kept, for commands that do so. */
export type SecretStores = {
  /** The one of that name; throws `secret-source-failed` where there is no keyring. */
  readonly named: (store: MachineStore) => Promise<WritableProvider>;
  /** Looks a secret up in that one, else in those of this machine, in the order in which they are asked. */
  readonly find: (name: string, store?: MachineStore) => ReturnType<SecretStore>;
  /** The names in all stores that are asked for a secret. */
  readonly list: () => Promise<ListedKeys>;
};

export type ServeOptions = {
  readonly bounds: SessionBounds;
  /** Where to listen on TCP as well; a token file that is named is made where it is not there. */
  readonly listen?: { readonly host: string; readonly port: number; readonly tokenFile: string | undefined };
  /** Whether clients of the old HTTP+SSE transport are served too. */
  readonly sse: boolean;
  readonly log: (text: string) => void;
  /** Of a loop that keeps the project in the same program. */
  readonly loop?: LoopStatus | undefined;
  /** What servers take. */
  readonly measured: Measured;
  /** What its page stands on; `root` is the folder of looms. */
  readonly page: Pick<PageSourceParts, 'sampler' | 'loop' | 'alerts' | 'stop' | 'abort' | 'atOnce' | 'keep'> & {
    readonly root: string;
  };
  /** Takes commands of other programs of this user, to be done with what is open here. */
  readonly near: (open: Omit<Warm, 'admit'>, engine: string | undefined) => NearCommands;
};

export type ServedProject = RunningGateway & { readonly tokenFile?: string };

/** What `looms connect` works with, and the gateway of the project as it is now. */
export type Connecting = {
  readonly ports: ConnectPorts;
  /** Where it listens on TCP, when it does. */
  readonly url: string | undefined;
  readonly tokenFile: string;
};

/** What clients of a project's servers reach them by, and what belongs to that. */
export type Gateways = {
  /** Makes the gateway of a project listen. Throws what `runGateway` and `tokenOfFile` throw. */
  readonly serve: (project: ProjectName, options: ServeOptions) => Promise<ServedProject>;
  /** Makes a loop tell of itself on TCP. Throws what `runStatus` throws. */
  readonly tellOfLoop: (
    project: ProjectName,
    loop: LoopStatus,
    where: { readonly host: string; readonly port: number; readonly measured: Measured },
  ) => Promise<RunningStatus>;
  /** A way to log in to the page of the project's gateway, which asks it for a code. As `askForCode`. */
  readonly pageLogin: (project: ProjectName) => Promise<PageLogin | undefined>;
  /** The tokens that were made for clients of a project's gateway. */
  readonly clientTokens: (project: ProjectName) => Promise<ClientTokens>;
  /** Serves the client at this program's standard streams, all servers where none is named, until its input ends. */
  readonly serveStdio: (
    project: ProjectName,
    options: Pick<ServeOptions, 'log'> & { readonly server: ServerName | undefined; readonly signal: AbortSignal },
  ) => Promise<void>;
  readonly connecting: (project: ProjectName) => Promise<Connecting>;
};

export type Composition = Gateways & {
  readonly ports: Ports;
  readonly secretStores: SecretStores;
  /** Where the engine is; undefined where none was found. Throws what `discover` throws. */
  readonly engineAddress: () => Promise<string | undefined>;
  readonly projectFile: FoundProjectFile | undefined;
  /** Of the project file, of the user and of the machine. */
  readonly policies: Policies;
  /** The same as they are by now, for commands that run on. Throws what opening a command throws of them. */
  readonly readPolicies: () => Promise<Policies>;
  /** Throws `refused` where the project file names other engines by now than those that this program works on. */
  readonly requireSameEngines: () => Promise<void>;
  /** `alerts` of the project file as it is by now. Throws as `readPolicies` does. */
  readonly readAlerts: () => Promise<AlertSettings>;
  /** What the file of `planFile` holds; read once, so that project file and plan belong together. */
  readonly savedPlan: SavedPlan | undefined;
  readonly exporter: (target: ExportTarget) => Promise<Exporter>;
  /** Masks the secrets that were looked up so far. */
  readonly redact: (text: string) => string;
  readonly close: () => Promise<void>;
};
