import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectPorts, EntryRecord } from '../app/connect/ports.ts';
import type { PageSourceParts } from '../app/page/page-source.ts';
import type { SavedPlan } from '../app/plan/saved-plan.ts';
import type { Ports } from '../app/ports.ts';
import type { Rules } from '../app/serve/live-rules.ts';
import type { LoopStatus } from '../app/watch/loop-record.ts';
import { type AlertSettings, noAlerts } from '../model/alerts.ts';
import type { EnginePart } from '../model/engine.ts';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import type { ProjectName, ServerName } from '../model/ids.ts';
import type { Policies } from '../model/policy.ts';
import type { ListedKeys } from '../model/secrets/secret-names.ts';
import { type ServeSettings, usualServe } from '../model/serve-settings.ts';
import { noTracing, type Tracing } from '../model/trail/tracing.ts';
import type { EngineAttempt, Orchestrator } from '../orchestrator/port.ts';
import type { ReadRegular, SecretStore, WritableProvider } from '../secrets/provider.ts';
import type { Bearers } from '../serve/access/bearers.ts';
import type { Guarding } from '../serve/access/guard.ts';
import type { Scan } from '../serve/access/scan.ts';
import type { PageLogin } from '../serve/page/ask-for-code.ts';
import type { Near, RunningGateway, RunningStatus } from '../serve/run.ts';
import type { SessionBounds } from '../serve/sessions/sessions.ts';
import type { Measured } from '../serve/status.ts';
import type { ProjectFile } from '../spec/project-file.ts';
import type { ClientTokens } from '../state/client-tokens.ts';
import type { Token } from '../state/gateway-files.ts';
import type { NearCommands, Warm } from './near/warm.ts';
import { readPolicyFiles } from './project/policy-files.ts';
import { type FoundProjectFile, pathsOfPlan, readProjectFile } from './project/project-file.ts';
import { visible } from './render/text.ts';
import type { Program } from './terminal/program.ts';
import { isAlive, processSpace, userName } from './terminal/this-process.ts';

export type Settings = {
  /** `--host` and `--context`. */
  readonly host: string | undefined;
  readonly context: string | undefined;
  readonly program: Program;
  /** The command without its arguments, which may hold values that nobody else should read in a lock. */
  readonly command: string;
  /** `looms/<version>`. */
  readonly managedBy: string;
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
  readonly page: Pick<PageSourceParts, 'sampler' | 'loop' | 'alerts' | 'stop' | 'abort' | 'keep'> & {
    readonly root: string;
  };
  /** Takes commands of other programs of this user, to be done with what is open here. */
  readonly near: (open: Omit<Warm, 'admit'>, engine: string | undefined) => NearCommands;
};

/** Where changes of a file are told, and how long it is followed. */
type Following = Pick<ServeOptions, 'log'> & { readonly signal: AbortSignal };

export type ServedProject = RunningGateway & { readonly tokenFile?: string };

/** What `looms connect` works with, and the gateway of the project as it is now. */
export type Connecting = {
  readonly ports: ConnectPorts;
  /** Where it listens on TCP, when it does. */
  readonly url: string | undefined;
  readonly tokenFile: string;
};

export type Composition = {
  readonly ports: Ports;
  readonly secretStores: SecretStores;
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
  /** Where the engine is; undefined where none was found. Throws what `discover` throws. */
  readonly engineAddress: () => Promise<string | undefined>;
  readonly connecting: (project: ProjectName) => Promise<Connecting>;
  readonly projectFile: FoundProjectFile | undefined;
  /** Of the project file, of the user and of the machine. */
  readonly policies: Policies;
  /** The same as they are by now, for commands that run on. Throws what opening a command throws of them. */
  readonly readPolicies: () => Promise<Policies>;
  /** `alerts` of the project file as it is by now. Throws as `readPolicies` does. */
  readonly readAlerts: () => Promise<AlertSettings>;
  /** What the file of `planFile` holds; read once, so that project file and plan belong together. */
  readonly savedPlan: SavedPlan | undefined;
  /** Masks the secrets that were looked up so far. */
  readonly redact: (text: string) => string;
  readonly close: () => Promise<void>;
};

/** Evaluates once, on first use, for all who ask. What failed or does not last is evaluated again later. */
function once<T>(make: () => Promise<T>, lasts: (value: T) => boolean = () => true): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    if (made !== undefined) return made;
    const making = make();
    made = making;
    const forget = () => {
      made = undefined;
    };
    making.then((value) => lasts(value) || forget(), forget);
    return making;
  };
}

/** Secrets pass through here, so that whatever is printed can be masked. */
async function watched(
  store: () => Promise<SecretStore>,
  known: readonly string[],
): Promise<{ secrets: SecretStore; redact: (text: string) => string }> {
  const seen = new Set(known);
  let mask: (text: string) => string =
    known.length === 0 ? (text) => text : (await import('../secrets/redact.ts')).createRedactor(known);
  return {
    secrets: async (ref) => {
      const [lookUp, { createRedactor }] = await Promise.all([store(), import('../secrets/redact.ts')]);
      const found = await lookUp(ref);
      if (found.found && !seen.has(found.value)) {
        seen.add(found.value);
        mask = createRedactor(seen);
      }
      return found;
    },
    redact: (text) => mask(text),
  };
}

type Asked = Promise<unknown> | AsyncIterable<unknown>;

/** Calls of a port whose adapter is loaded by the first of them. What one answers is waited for, or gone through. */
const lazily = <T extends Readonly<Record<string, (...args: never[]) => Asked>>>(make: () => Promise<T>): T =>
  new Proxy({} as T, {
    get:
      (_, name: string) =>
      (...args: never[]) => {
        const answer = make().then((port) => port[name]?.(...args));
        answer.catch(() => {}); // Whoever waits for it, or goes through it, hears of it.
        const each = async function* () {
          yield* (await answer) as AsyncIterable<unknown>;
        };
        return Object.assign(answer, { [Symbol.asyncIterator]: each });
      },
  });

/** Where spans go, if anywhere: what sends them is loaded (170 ms) where somebody collects them. */
async function tracingFor(
  { program: { environment }, managedBy }: Settings,
  endpoint: string | undefined,
  { warn, atEnd }: Pick<Ports, 'warn' | 'atEnd'>,
): Promise<Tracing> {
  const named = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isOff = environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || environment.OTEL_TRACES_EXPORTER === 'none';
  if (isOff || !(named || endpoint)) return noTracing;
  const { otlpTracing } = await import('../telemetry/otlp.ts');
  const version = managedBy.split('/')[1] ?? '';
  const made = otlpTracing({ endpoint: named ? undefined : endpoint, environment, version, warn });
  atEnd(made.close);
  return made;
}

/** What this machine counted, recorded and found out. SQLite is loaded by the commands that use it only. */
function localPorts(
  { program: { environment, warm }, trustRecord, askForTrust }: Settings,
  { user, host, pid }: Ports['whoAmI'],
  { redact, warn, atEnd }: { readonly redact: Ports['mask'] } & Pick<Ports, 'warn' | 'atEnd'>,
) {
  const state = once(async () => (await import('../state/local-state.ts')).localState(environment));
  const writer = once(async () => {
    const [{ createLedgerWriter }, { ledgerPlaces }] = await Promise.all([
      import('../state/ledger-writer.ts'),
      import('../state/ledger.ts'),
    ]);
    const made = createLedgerWriter(ledgerPlaces(environment));
    atEnd(made.close);
    return made;
  });
  const ownTrail: Warm['auditTrail'] = async (who, masked) => {
    const [written, { createAuditTrail }, { maskValues }] = await Promise.all([
      writer(),
      import('../state/audit-trail.ts'),
      import('../secrets/mask-values.ts'),
    ]);
    return createAuditTrail({ writer: written, who, mask: (args) => maskValues(args, masked) });
  };
  const auditTrail = warm?.auditTrail ?? ownTrail;
  const trail = once(() => auditTrail({ user, host, pid }, redact));
  const accepted = new Set<string>();
  const ports = {
    countExecutions: async (containers) =>
      containers.length === 0 ? new Map() : (await state()).countExecutions(containers),
    audit: {
      prepare: async () => (await trail()).prepare(),
      started: async (call) => (await trail()).started(call),
      changing: async (change) => (await trail()).changing(change),
      refused: async (target, code) => (await trail()).refused(target, code),
    },
    auditReader: lazily(async () => (await state()).auditReader),
    keptLogs: lazily(async () => (await state()).keptLogs),
    alerts: lazily(async () => (await state()).alerts),
    readHealth: async (at) => (await state()).readHealth(at),
    recordHealth: async (at, findings) => (await state()).recordHealth(at, findings),
    secretPrints: lazily(async () => (await state()).secretPrints),
    trust: {
      keyName: async () => (await state()).records.keyName(),
      isAccepted: async (digest) => accepted.has(digest) || (await state()).records.isKnown(digest),
      accept: async (digest) => {
        accepted.add(digest);
        const { records } = await state();
        try {
          await records.remember(digest);
        } catch (error) {
          const why = `${records.path} cannot be written (${messageOf(error)})`;
          warn(`the record was accepted for this run only: ${why}`);
        }
      },
      acceptsAll: trustRecord,
      ask: askForTrust,
    },
  } satisfies Partial<Ports>;
  return { ports, auditTrail, findings: lazily(async () => (await state()).serverMemory) };
}

/** The stores of secrets; what speaks to one is loaded by whoever asks for it first. */
function secretStores(
  environment: Program['environment'],
  configured: ProjectFile['secretProviders'],
  readRegular: ReadRegular,
): SecretStores & { readonly all: () => Promise<SecretStore> } {
  const load = () => import('../secrets/store.ts');
  const file = async (): Promise<WritableProvider> => {
    const { createFileStore, fileStorePlaces } = await import('../secrets/file-store.ts');
    return createFileStore(fileStorePlaces(environment));
  };
  const keyring = async (isNamed: boolean): Promise<readonly WritableProvider[]> =>
    (await load()).keyringProvider(environment, process.platform, isNamed);
  const named: SecretStores['named'] = async (store) => {
    const [found] = store === 'file' ? [await file()] : await keyring(true);
    if (found === undefined) throw new LoomsError('internal', `no store ${store}`);
    return found;
  };
  const providers = async () => (await load()).configuredProviders(environment, configured, readRegular);
  return {
    named,
    find: async (name, store) => {
      const { createSecretStore } = await load();
      const stores = store === undefined ? [...(await keyring(false)), await file()] : [await named(store)];
      return createSecretStore(environment, stores)({ from: 'provider', name });
    },
    list: async () => (await import('../secrets/list-keys.ts')).listKeys(await providers()),
    all: async () => (await load()).createSecretStore(environment, await providers()),
  };
}

type EngineFlags = { readonly host?: string; readonly context?: string };

/** Flags win over the environment, and the environment over the project file (docs/spec.md, looms.yaml). */
function chooseEngine(
  { host, context, program: { environment } }: Settings,
  file: ProjectFile | undefined,
): EngineFlags {
  if (host !== undefined || context !== undefined) {
    return { ...(host === undefined ? {} : { host }), ...(context === undefined ? {} : { context }) };
  }
  const named = environment.DOCKER_HOST || environment.DOCKER_CONTEXT;
  return named ? {} : (file?.engine ?? {});
}

/** Where the engine is looked for, and the connection to it; neither is made before it is asked for. */
function engineSource(settings: Settings, file: ProjectFile | undefined, ports: () => Omit<Ports, 'orchestrator'>) {
  const uid = process.getuid?.();
  const { environment, warm } = settings.program;
  const input = {
    environment,
    homeDirectory: environment.HOME || homedir(),
    platform: process.platform,
    ...chooseEngine(settings, file),
    ...(uid === undefined ? {} : { uid }),
  };
  // One look for all who ask: two could see two different engines.
  const look = once(
    async () => (await import('../docker/engine/connection/discovery.ts')).discover(input),
    ({ endpoint }) => endpoint !== null,
  );
  let connected: Orchestrator | undefined;
  const connect = async (): Promise<Orchestrator> => {
    const [
      { requireEndpoint },
      { connectDocker },
      { dockerOrchestrator },
      { orchestratorPorts },
      { readRecordedSpec },
      { recordSigner },
    ] = await Promise.all([
      import('../docker/engine/connection/discovery.ts'),
      import('../docker/engine/engine.ts'),
      import('../docker/orchestrator.ts'),
      import('../app/apply/orchestrator-ports.ts'),
      import('../spec/record/record.ts'),
      import('../state/record-signer.ts'),
    ]);
    const engine = await connectDocker(requireEndpoint(await look(), input.platform), {
      records: { read: readRecordedSpec, ...recordSigner(environment) },
      environment,
    });
    connected = dockerOrchestrator(engine, orchestratorPorts(ports()));
    return connected;
  };
  const orchestrator = once(() => warm?.orchestrator() ?? connect());
  const engineAttempts = (): Promise<readonly EngineAttempt[]> =>
    look().then(
      ({ tried }) => tried,
      (error: unknown) => [{ origin: 'what was named', outcome: 'refused', detail: messageOf(error) }],
    );
  // Where what is named cannot be understood, that is said when the engine is asked for.
  const engineIsLocal = (): Promise<boolean> =>
    look().then(
      ({ endpoint }) => endpoint?.kind === 'socket',
      () => false,
    );
  const parts = once(
    async () => {
      const { engineFinder } = await import('../docker/engine/connection/engine-sockets.ts');
      // Where what is named cannot be understood, which is said when the engine is asked for, the usual ones are known.
      const { endpoint } = await look().catch(() => ({ endpoint: null }));
      return { at: engineFinder(input, endpoint), endpoint };
    },
    ({ endpoint }) => endpoint !== null,
  );
  const engineAt = async (path: string): Promise<EnginePart | undefined> => (await parts()).at(path);
  const engineAddress = async (): Promise<string | undefined> => {
    const { endpoint } = await look();
    if (endpoint === null) return undefined;
    return (await import('../docker/engine/connection/endpoint.ts')).endpointUrl(endpoint);
  };
  return {
    engineAddress,
    orchestrator,
    engineAttempts,
    engineIsLocal,
    engineAt,
    close: async () => connected?.close(),
  };
}

/** Characters of specs, some 200 servers, from which on memory counts for more than a start. */
const manySpecs = 200_000;

/**
 * Passes on what is read of specs. Where that is a lot, V8's young generation stays as large as it is: for a thousand
 * servers it would grow to 64 MiB beside a heap of 50, and the run would be no faster. Not done at the start, since V8
 * takes no cached code that was made under other flags, nor may it make any: the flag goes back at the end.
 */
function boundsMemory(): (text: string) => Promise<string> {
  let seen = 0;
  let isBounded = false;
  return async (text) => {
    seen += text.length;
    if (seen < manySpecs || isBounded) return text;
    isBounded = true;
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--semi-space-growth-factor=1');
    process.once('exit', () => setFlagsFromString('--semi-space-growth-factor=2'));
    return text;
  };
}

/** The saved plan that a command carries out, when it does. Throws what `readPlanFile` throws. */
async function readSettingsPlan(
  place: Pick<Ports, 'files' | 'workingDirectory'>,
  { planFile }: Settings,
): Promise<SavedPlan | undefined> {
  if (planFile === undefined) return undefined;
  return (await import('../app/plan/plan-file.ts')).readPlanFile(place, planFile);
}

/**
 * Puts the program together: the only place that knows which adapter stands behind a port. Adapters are imported when
 * a port is used for the first time, since most commands need few of them and each costs start-up time.
 */
export async function compose(settings: Settings): Promise<Composition> {
  const { program, command, managedBy } = settings;
  const { environment, workingDirectory, warm } = program;
  const { localFiles } = await import('../files/local-files.ts');
  const machineFiles = localFiles(environment, workingDirectory);
  const sized = boundsMemory();
  const files = {
    ...machineFiles,
    readText: async (path: string) => {
      const read = await machineFiles.readText(path);
      return read.done ? { ...read, text: await sized(read.text) } : read;
    },
  };
  const place = { files, workingDirectory };
  const savedPlan = await readSettingsPlan(place, settings);
  const specPaths = savedPlan === undefined ? settings.specPaths : await pathsOfPlan(place, savedPlan.files);
  const readRules = async () => {
    const [found, ofMachine] = await Promise.all([
      readProjectFile(place, specPaths, environment),
      readPolicyFiles(place, environment),
    ]);
    return { projectFile: found, policies: [...(found === undefined ? [] : [found.file.policy]), ...ofMachine] };
  };
  const { projectFile, policies } = await readRules();
  const readPolicies = async (): Promise<Policies> => (await readRules()).policies;
  const readAlerts = async (): Promise<AlertSettings> =>
    (await readProjectFile(place, specPaths, environment))?.file.alerts ?? noAlerts;
  const { close, engineAddress, ...engineParts } = engineSource(settings, projectFile?.file, () => ports);
  const { proxyPasswords } = await import('../image/proxies.ts');
  const stores = secretStores(environment, projectFile?.file.secretProviders ?? [], files.readRegular);
  let lookUp = once(stores.all);
  const forgetSecrets = (): void => {
    lookUp = once(stores.all);
  };
  const { secrets, redact } = await watched(() => lookUp(), proxyPasswords(environment));
  const warned = new Set<string>();
  const warn = (text: string): void => {
    if (!warned.has(text)) program.stderr.write(`${redact(`looms: warning: ${visible(text)}`)}\n`);
    warned.add(text);
  };
  const whoAmI = { user: userName(), host: hostname(), pid: program.pid, ...processSpace(), command };
  const endings = new Set<() => Promise<void>>();
  const atEnd: Ports['atEnd'] = (work) => {
    endings.add(work);
    return () => void endings.delete(work);
  };
  const local = localPorts(settings, whoAmI, { redact, warn, atEnd });
  // One for the program: what leads to a server is shared by all sessions to it.
  const sessions = once(
    async () => warm?.openSession ?? (await import('../mcp/client/connect.ts')).createSessionSource(local.findings),
  );
  const endpoint = projectFile?.file.serve?.telemetry?.endpoint;
  const tracing = once(() => warm?.tracing() ?? tracingFor(settings, endpoint, { warn, atEnd }));
  const ports: Ports = {
    ...engineParts,
    tracing,
    openSession: sessions,
    secrets,
    forgetSecrets,
    mask: redact,
    warn,
    ...local.ports,
    findings: local.findings,
    files,
    environment,
    workingDirectory,
    readStdin: async () => sized(await text(program.stdin)),
    pause: async (milliseconds, signal) => {
      try {
        await pause(milliseconds, undefined, signal === undefined ? {} : { signal });
      } catch (error) {
        if (signal?.aborted !== true) throw error;
      }
    },
    managedBy,
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    atEnd,
    processIsAlive: isAlive,
    whoAmI,
  };
  const closeAll = async (): Promise<void> => {
    // What was begun last is ended first: the end of a session still looks into the ledger.
    for (const work of [...endings].reverse()) await work();
    endings.clear();
    await close();
  };
  const version = managedBy.split('/')[1] ?? '';
  const upstreamsFor = async (project: ProjectName, log: (text: string) => void) => {
    const { upstreamsOf } = await import('../app/serve/upstreams.ts');
    const { createLinkSource } = await import('../mcp/link/open-link.ts');
    return upstreamsOf(
      ports,
      { project, policies, readPolicies, openLink: createLinkSource(), tracing: await tracing() },
      log,
    );
  };
  const serving = projectFile?.file.serve ?? usualServe;
  /** What each request to a gateway is held against; CEL is loaded by who has rules. */
  const guardingOf = async ({ policy, scan }: ServeSettings): Promise<Guarding> => {
    const judge = policy.length === 0 ? undefined : (await import('../spec/check/call-rules.ts')).judgeOf(policy);
    return {
      ...(judge === undefined ? {} : { judge }),
      ...(scan === 'off' ? {} : { scan: await scanOf(scan) }),
    };
  };
  const scanOf = async (mode: 'mask' | 'deny'): Promise<Scan> => {
    const { createScan } = await import('../serve/access/scan.ts');
    const { coverOf } = await import('../secrets/cover.ts');
    return createScan(mode, coverOf(redact));
  };
  const clientTokens: Composition['clientTokens'] = async (project) => {
    const [{ createClientTokens }, { servePlaces }] = await Promise.all([
      import('../state/client-tokens.ts'),
      import('../state/gateway-files.ts'),
    ]);
    return createClientTokens(servePlaces(environment, project).tokens);
  };
  /** Who may do what by `serve` of looms.yaml: at the start, and as it says later; whoever takes no tokens looks up none. */
  const liveRules = async ({ log, signal }: Following, own: Token | 'takes-none' | undefined): Promise<() => Rules> => {
    const [{ followRules, sameIssuer }, { namedTokens }] = await Promise.all([
      import('../app/serve/live-rules.ts'),
      import('../app/serve/tokens.ts'),
    ]);
    const ready = async (settings: ServeSettings, before?: Rules): Promise<Rules> => {
      const { oidc } = settings;
      const isKnown = before !== undefined && sameIssuer(before, settings);
      const made = async () => oidc && (await import('../serve/access/oidc.ts')).createIssued(oidc);
      return {
        settings,
        guarding: await guardingOf(settings),
        tokens: own === 'takes-none' ? [] : await namedTokens(ports, settings.tokens, own),
        issued: isKnown ? before.issued : await made(),
      };
    };
    const read = async (): Promise<ServeSettings> => {
      const { projectFile: found } = await readRules();
      if (found === undefined && projectFile !== undefined) {
        throw new LoomsError('file-not-found', `the looms.yaml of ${projectFile.folder} is gone`);
      }
      return found?.file.serve ?? usualServe;
    };
    const following = {
      read,
      ready: async (settings: ServeSettings, before: Rules) => {
        forgetSecrets();
        return ready(settings, before);
      },
      hints: (changed: () => void, until: AbortSignal) =>
        files.watchFolders([projectFile?.folder ?? workingDirectory], changed, until),
      pause: ports.pause,
      log,
    };
    return followRules(await ready(serving), following, signal).now;
  };
  const serveStdio: Composition['serveStdio'] = async (project, options) => {
    const { log } = options;
    const over = new AbortController();
    const [upstreams, bridge, now, { asSeen }] = await Promise.all([
      upstreamsFor(project, log),
      import('../serve/stdio.ts'),
      liveRules({ log, signal: over.signal }, 'takes-none'),
      import('../app/serve/live-rules.ts'),
    ]);
    const { aggregate: names } = serving;
    const streams = { stdin: process.stdin, stdout: process.stdout };
    await bridge
      .serveStdio(upstreams, { ...options, names, guarding: asSeen(now).guarding, version, ...streams })
      .finally(() => over.abort());
  };
  const nearFor = async ({ near, bounds }: ServeOptions): Promise<Near> => {
    const [open, { warmSessions }] = await Promise.all([sessions(), import('../mcp/client/warm-sessions.ts')]);
    const kept = warmSessions(open, { idleMs: bounds.idleMs, most: bounds.mostEach });
    const { orchestrator } = engineParts;
    const commands = near(
      { orchestrator, openSession: kept.open, auditTrail: local.auditTrail, tracing },
      await engineAddress(),
    );
    return {
      take: commands.take,
      kept: kept.kept,
      close: async () => {
        commands.stop();
        await kept.close();
      },
    };
  };
  const bearersOf = async (project: ProjectName, now: () => Rules): Promise<Bearers> => {
    const [tokens, { createBearers }, { madeTokens }, { issuedNow }] = await Promise.all([
      clientTokens(project),
      import('../serve/access/bearers.ts'),
      import('../app/serve/tokens.ts'),
      import('../app/serve/live-rules.ts'),
    ]);
    return createBearers(() => [...now().tokens, ...madeTokens(tokens.list())], issuedNow(now));
  };
  /** What the page of a gateway shows and does, and its files. */
  const pageFor = async (project: ProjectName, { root, ...parts }: ServeOptions['page']) => {
    const [{ createPageSource }, { createAssets }, { pageWords: words }] = await Promise.all([
      import('../app/page/page-source.ts'),
      import('../serve/page/assets.ts'),
      import('./render/page-words.ts'),
    ]);
    const source = createPageSource(ports, { project, version, words, readPolicies, ...parts });
    return { source, assets: createAssets(join(root, 'dist', 'web')) };
  };
  const serve: Composition['serve'] = async (project, options) => {
    const { listen, log, bounds, sse, loop, measured } = options;
    const [near, upstreams, { runGateway }, { createSeal, maxAgeMs }, files, { endedSessions }] = await Promise.all([
      nearFor(options),
      upstreamsFor(project, log),
      import('../serve/run.ts'),
      import('../serve/sessions/seal.ts'),
      import('../state/gateway-files.ts'),
      import('../state/ended-sessions.ts'),
    ]);
    const { noteAddress, sealKeyOfFile, servePlaces, tokenOfFile } = files;
    const places = servePlaces(environment, project);
    const isConfigured = serving.tokens.length > 0 || serving.oidc !== undefined;
    const named = listen?.tokenFile ?? (isConfigured ? undefined : places.tokenFile);
    const tokenFile = listen === undefined || named === undefined ? undefined : resolve(named);
    const token = tokenFile === undefined ? undefined : tokenOfFile(tokenFile);
    const page = await pageFor(project, options.page);
    const over = new AbortController();
    const now = await liveRules({ log, signal: over.signal }, listen === undefined ? 'takes-none' : token);
    const tcp =
      listen === undefined
        ? undefined
        : { host: listen.host, port: listen.port, bearers: await bearersOf(project, now) };
    const { asSeen } = await import('../app/serve/live-rules.ts');
    const running = await runGateway(upstreams, {
      bounds,
      page,
      seal: createSeal(sealKeyOfFile(places.sealFile), project),
      ended: endedSessions(places.endedFile, { keepMs: maxAgeMs, onFault: log }),
      sse,
      version,
      log,
      near,
      loop,
      measured,
      ...asSeen(now),
      socket: places.socket,
      tcp,
    }).catch((error: unknown) => {
      over.abort();
      throw error;
    });
    // A port that was free is another one the next time, and no address to give to clients.
    const forget = noteAddress(places.address, listen?.port === 0 ? undefined : running.url);
    const close = async (): Promise<void> => {
      forget();
      over.abort();
      await page.source.close();
      await running.close();
    };
    return { ...running, close, ...(tokenFile === undefined ? {} : { tokenFile }) };
  };
  const tellOfLoop: Composition['tellOfLoop'] = async (project, loop, where) => {
    const { runStatus } = await import('../serve/run.ts');
    const { engineAnswers } = await import('../app/serve/upstreams.ts');
    return runStatus(loop, { ...where, version, engineAnswers: () => engineAnswers(ports, project) });
  };
  const pageLogin: Composition['pageLogin'] = async (project) => {
    const [{ askForCode }, { servePlaces }] = await Promise.all([
      import('../serve/page/ask-for-code.ts'),
      import('../state/gateway-files.ts'),
    ]);
    return askForCode(servePlaces(environment, project).socket);
  };
  const connecting: Composition['connecting'] = async (project) => {
    const [{ tryEntry }, { entryRecords }, gateway] = await Promise.all([
      import('../mcp/client/try-entry.ts'),
      import('../state/client-entries.ts'),
      import('../state/gateway-files.ts'),
    ]);
    const places = gateway.servePlaces(environment, project);
    return {
      ports: {
        files,
        workingDirectory,
        names: serving.aggregate,
        place: { platform: process.platform, home: environment.HOME || homedir(), environment },
        records: entryRecords<EntryRecord>(environment),
        tryEntry: (entry, folder) => tryEntry(entry, { folder, version }),
        readToken: gateway.findToken,
      },
      url: await gateway.findAddress(places),
      tokenFile: places.tokenFile,
    };
  };
  return {
    ports,
    engineAddress,
    projectFile,
    policies,
    readPolicies,
    readAlerts,
    savedPlan,
    secretStores: stores,
    serve,
    tellOfLoop,
    pageLogin,
    clientTokens,
    serveStdio,
    connecting,
    redact,
    close: closeAll,
  };
}
