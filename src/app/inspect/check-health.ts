import { mcpFields } from '../../model/desired.ts';
import { assertNever, LoomsError, traitsOf } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { messageOf } from '../../model/failure.ts';
import { endedAsTold, type HealthFinding, type HealthPlace, type Verdict } from '../../model/health.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { ServerInstance, ServerView } from '../../model/server-view.ts';
import { engineWidth, mapBounded, mostAtOnce } from '../../model/values/map-bounded.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import type { SessionHost } from '../../orchestrator/session-host.ts';
import type { Ports } from '../ports.ts';
import { unknownSecrets } from '../talk/know-secrets.ts';
import type { OfServer } from '../talk/open-server.ts';
import { type Asked, askServer } from './ask-server.ts';
import type { HealthStep } from './health-steps.ts';
import { lookUpServers } from './servers.ts';

/** Lines of a log that are looked at where a container does not run, and how many of them are shown. */
const logLines = 40;
const shownLines = 10;

/**
 * `unknown`: what failed is on this side, so nothing is known about the server. `asleep`: it has no container that could be
 * asked, and none is made for that.
 */
export type HealthVerdict = Verdict | 'unknown' | 'asleep';

/** How one server is, with what each step took. */
export type ServerHealth = Pick<
  ServerView,
  'name' | 'project' | 'container' | 'generation' | 'restarts' | 'engineHealth'
> & {
  readonly verdict: HealthVerdict;
  /** Of all steps together, ms. */
  readonly milliseconds: number;
  readonly steps: readonly HealthStep[];
  /** Behind the spec's filter; null when it did not answer. */
  readonly tools: number | null;
  /** What the server calls itself. */
  readonly server: { readonly name: string; readonly version: string } | null;
  readonly protocolVersion: string | null;
  readonly failure: Failure | null;
};

/** What a loop wants to know of a server that it asks again and again. */
export type AskedHealth = Pick<
  ServerHealth,
  'name' | 'container' | 'verdict' | 'milliseconds' | 'steps' | 'tools' | 'failure'
>;

/** The same with the run of the container that was asked, and when that was known, ms since 1970. */
export type AskedLook = { readonly health: AskedHealth; readonly run: string; readonly at: number };
type Look = AskedLook & { readonly health: ServerHealth };

type HealthRequest = {
  readonly project: ProjectName;
  /** Empty: all servers of the project. */
  readonly servers: readonly ServerName[];
  /** Bound of session, handshake and list together, ms; absent: each spec's `timeout_seconds`. */
  readonly timeoutMs?: number;
};

/** Is told which servers are asked, and then of each when its turn comes and what was found. */
export type HealthWatch = (names: readonly ServerName[]) => {
  readonly asked: (name: ServerName) => void;
  readonly found: (health: ServerHealth) => void;
};

type HealthReport = {
  readonly servers: readonly ServerHealth[];
  /** Things worth saying that are not about a server. */
  readonly notices: readonly Notice[];
};

type StateFinding =
  | { readonly kind: 'runs' }
  | { readonly kind: 'asleep' }
  | { readonly kind: 'stopped'; readonly failure: Failure }
  | { readonly kind: 'unhealthy'; readonly failure: Failure };

/** What a container's state alone says about its server. */
function judgeState({ status: state, state: known, name: server }: ServerView): StateFinding {
  if (known === 'asleep') return { kind: 'asleep' };
  const failure = (message: string, hint: string): Failure => ({
    code: 'server-not-running',
    message: `server ${server} ${message}`,
    hint,
    detail: [],
  });
  const start = `\`looms mcp start ${server}\` starts it`;
  // On a cluster nothing is left of one that was stopped.
  const isGone = state.status === 'created' && (known === 'stopped' || known === 'disabled');
  if (isGone) return { kind: 'stopped', failure: failure('is stopped', start) };
  switch (state.status) {
    case 'running':
      if (!state.paused) return { kind: 'runs' };
      return { kind: 'unhealthy', failure: failure('is paused', `\`looms mcp start ${server}\` lets it go on`) };
    case 'created':
      return { kind: 'unhealthy', failure: failure('was created and never started', '`looms apply` makes it anew') };
    case 'restarting':
      return {
        kind: 'unhealthy',
        failure: failure(
          `restarts again and again, last with exit code ${state.exitCode}`,
          `its log says why: looms mcp logs ${server}`,
        ),
      };
    case 'exited': {
      // A crash would be restarted by the engine; with `restart: no` it stays, and shows in its code.
      const asked = endedAsTold(state.exitCode) && !state.oomKilled;
      if (asked) return { kind: 'stopped', failure: failure('is stopped', start) };
      const how = state.oomKilled ? 'ran out of memory' : `exited with code ${state.exitCode}`;
      return { kind: 'unhealthy', failure: failure(how, `${start}; its log may say why: looms mcp logs ${server}`) };
    }
    case 'dead':
      return { kind: 'unhealthy', failure: failure('is dead to the engine', '`looms apply` replaces it') };
    default:
      return assertNever(state);
  }
}

const skipped = (name: HealthStep['name']): HealthStep => ({ name, result: 'skipped', milliseconds: null });

/** The end of the log of a server's container; where what it may hold of secrets could not be masked, why it is left out. */
async function logOf(
  ports: Ports,
  sessions: SessionHost,
  { container, project, recorded, foreignRecord, secretPrints }: ServerView,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const made = { project, foreignRecord, secretPrints };
  const [unknown] = recorded === undefined ? [] : await unknownSecrets(ports, recorded.spec, made);
  if (unknown !== undefined) return [`(its log is left out: ${unknown}, so it could not be masked)`];
  try {
    const lines = await sessions.tailLog(container, logLines, { signal });
    return tellingLines(
      lines.map(({ text }) => text),
      shownLines,
    );
  } catch (error) {
    return [`(its log could not be read: ${messageOf(error)})`];
  }
}

/** `asked`: what came of asking it, where that was done before the engine was looked at. */
async function checkOne(
  ports: Ports,
  view: ServerView,
  engineStep: HealthStep,
  options: { readonly timeoutMs?: number; readonly signal: AbortSignal; readonly asked?: Asked },
): Promise<Look> {
  const { name, project, container, generation, restarts, engineHealth, recorded } = view;
  const { sessions } = await ports.orchestrator();
  const verdict = judgeState(view);
  if (verdict.kind === 'asleep') return asleep(ports, view, engineStep);
  const timeoutMs = options.timeoutMs ?? (recorded?.spec.mcp.timeoutSeconds ?? mcpFields.timeoutSeconds.default) * 1000;
  const ask = () => askServer(ports, project, name, { timeoutMs, signal: options.signal });
  // What is just waking looks like what never comes up; a session that does not wake it is told which it is.
  const early = options.asked ?? (view.state === 'pending' ? await ask() : undefined);
  if (isAsleep(early)) return asleep(ports, view, engineStep);
  const started = ports.monotonicMs();
  // The engine is asked once more: between a listing of many and the turn of this one it may have ended.
  const now = await sessions.containerRunning(container, { signal: options.signal });
  const containerStep: HealthStep = {
    name: 'container',
    result: verdict.kind === 'runs' && now?.running === true ? 'ok' : 'failed',
    milliseconds: Math.round(ports.monotonicMs() - started),
  };
  const common = { name, project, container, generation, restarts, engineHealth };
  const nothing = { tools: null, server: null, protocolVersion: null } as const;
  if (verdict.kind !== 'runs') {
    const detail = verdict.kind === 'unhealthy' ? await logOf(ports, sessions, view, options.signal) : [];
    const steps = [engineStep, containerStep, skipped('session'), skipped('handshake'), skipped('tools')];
    const failure = { ...verdict.failure, detail };
    return {
      health: { ...common, ...nothing, verdict: verdict.kind, milliseconds: sum(steps), steps, failure },
      run: view.run,
      at: ports.now(),
    };
  }
  const asked = early ?? (await ask());
  // It may have fallen asleep since the look.
  if (isAsleep(asked)) return asleep(ports, view, engineStep);
  const steps = [engineStep, containerStep, ...asked.steps];
  const answer = asked.answer ?? nothing;
  // Another generation may have taken over since the look: what was found is about the one that was asked.
  const met = asked.met?.container ?? container;
  const seen = view.instances.find((one) => one.container === met);
  const failure = asked.failure ?? (seen?.engineHealth === 'unhealthy' ? failsItsOwnCheck(name, seen) : null);
  const health: ServerHealth = {
    ...common,
    // One that was made since the look has not been started again, and its check has hardly begun.
    restarts: seen?.restarts ?? 0,
    engineHealth: seen?.engineHealth ?? null,
    ...asked.met,
    ...answer,
    verdict: failure === null ? 'healthy' : traitsOf(failure.code).ours ? 'unknown' : 'unhealthy',
    milliseconds: sum(steps),
    steps,
    failure,
  };
  return { health, run: (met === container ? now?.run : seen?.run) ?? '', at: ports.now() };
}

const isAsleep = (asked: Asked | undefined): boolean => asked?.failure?.code === 'server-asleep';

/** A look at a server that sleeps, or is just waking: it ends before it would wake it. */
function asleep(ports: Ports, view: ServerView, engineStep: HealthStep): Look {
  const { name, project, container, generation, restarts, engineHealth, run } = view;
  const rest = (['container', 'session', 'handshake', 'tools'] as const).map(skipped);
  return {
    health: {
      ...{ name, project, container, generation, restarts, engineHealth },
      ...{ tools: null, server: null, protocolVersion: null, failure: null },
      verdict: 'asleep',
      milliseconds: engineStep.milliseconds ?? 0,
      steps: [engineStep, ...rest],
    },
    run,
    at: ports.now(),
  };
}

/** A server answers MCP, and the check that its image brings along, which knows more of it, fails. */
const failsItsOwnCheck = (server: ServerName, { engineHealthCommand }: ServerInstance): Failure => ({
  code: 'server-unhealthy',
  message: `server ${server} answers MCP, but the HEALTHCHECK of its image fails`,
  hint: `${engineHealthCommand} shows what it says`,
  detail: [],
});

const restartedNotice = ({ name, restarts }: ServerHealth): Notice => ({
  code: 'restarts',
  server: name,
  message: `the engine started it again ${restarts === 1 ? 'once' : `${restarts} times`}: looms mcp logs ${name} may say why`,
});

const notKept = (why: string): Notice => ({
  code: 'health-not-kept',
  message: `what was found could not be kept: ${why}`,
});

const stoppedAsking = (): LoomsError => new LoomsError('interrupted', 'stopped asking servers how they are');

const sum = (steps: readonly HealthStep[]): number =>
  steps.reduce((total, { milliseconds }) => total + (milliseconds ?? 0), 0);

/** What a look says that is worth keeping: nothing of a server of which nothing is known, or that was not asked. */
export const findingOf = ({ health, run, at }: AskedLook): HealthFinding[] => {
  const { verdict, name, container, tools, failure } = health;
  if (verdict === 'unknown' || verdict === 'asleep') return [];
  return [{ server: name, verdict, container, run, tools, detail: failure?.message ?? '', checkedAt: at }];
};

/** Asks servers how they are, several at once; keeps what was found. Throws `server-not-found`, `interrupted`. */
export async function checkHealth(
  ports: Ports,
  request: HealthRequest,
  signal: AbortSignal,
  watch?: HealthWatch,
): Promise<HealthReport> {
  const { project, timeoutMs } = request;
  const started = ports.monotonicMs();
  const {
    servers: views,
    engine,
    notices,
  } = await lookUpServers(ports, { project, names: [...new Set(request.servers)] }, { signal });
  const engineStep: HealthStep = {
    name: 'engine',
    result: 'ok',
    milliseconds: Math.round(ports.monotonicMs() - started),
  };
  const options = { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const watched = views.length === 0 ? undefined : watch?.(views.map(({ name }) => name));
  // Each is a process on the engine's machine, or on one of a cluster's.
  const width = engine.kind === 'kubernetes' ? mostAtOnce : engineWidth(engine.cpus);
  const looks = await mapBounded(views, width, async (view) => {
    watched?.asked(view.name);
    const look = await checkOne(ports, view, engineStep, options);
    watched?.found(look.health);
    return look;
  });
  if (signal.aborted) throw stoppedAsking();
  const place: HealthPlace = { engine: engine.id, project };
  const kept = await ports.recordHealth(place, looks.flatMap(findingOf));
  const servers = looks.map(({ health }) => health);
  const restarted = servers.filter(({ restarts }) => restarts > 0).map(restartedNotice);
  return { servers, notices: [...notices, ...restarted, ...(kept.recorded ? [] : [notKept(kept.why)])] };
}

/** Which run of a container that answers is well, as the engine knows; undefined where the check of its image fails. */
async function wellRun(ports: Ports, container: ContainerId, signal: AbortSignal): Promise<string | undefined> {
  const { sessions } = await ports.orchestrator();
  const now = await sessions.containerRunning(container, { signal });
  return now?.running === true && now.engineHealth !== 'unhealthy' ? now.run : undefined;
}

/** Whether what was tried of a server serves still, beside what it is shown by; also where nothing was tried. */
const isStillThere = ({ instances, generation, container }: ServerView, tried: ContainerId | undefined): boolean =>
  tried === undefined ||
  tried === container ||
  instances.some((one) => one.container === tried && one.generation === generation);

/**
 * Asks one server how it is, and looks at the engine's list only where it does not answer: one that answers costs a session,
 * and one look at its container where that is not `still` as it was found well before. Keeps nothing. undefined: it is not
 * there, or was replaced while it was asked, so that nothing is known of what serves now. Throws what asking the engine
 * throws.
 */
export async function checkServer(
  ports: Ports,
  { project, server }: OfServer,
  {
    signal,
    still,
  }: { readonly signal: AbortSignal; readonly still?: Pick<HealthFinding, 'container' | 'run'> | undefined },
): Promise<AskedLook | undefined> {
  const asked = await askServer(ports, project, server, { signal });
  if (signal.aborted) throw stoppedAsking();
  const started = ports.monotonicMs();
  if (asked.answer !== null && asked.met !== undefined) {
    const { container } = asked.met;
    const run = still?.container === container ? still.run : await wellRun(ports, container, signal);
    if (run !== undefined) {
      const looked = Math.round(ports.monotonicMs() - started);
      const steps: HealthStep[] = [
        { name: 'engine', result: 'ok', milliseconds: looked },
        { name: 'container', result: 'ok', milliseconds: 0 },
        ...asked.steps,
      ];
      const { tools } = asked.answer;
      const found = {
        name: server,
        verdict: 'healthy',
        milliseconds: sum(steps),
        steps,
        tools,
        failure: null,
      } as const;
      return { health: { ...found, container }, run, at: ports.now() };
    }
  }
  const { servers } = await (await ports.orchestrator()).servers(project, { signal, names: [server] });
  const view = servers.find(({ name }) => name === server);
  if (view === undefined || !isStillThere(view, asked.tried)) return undefined;
  const milliseconds = Math.round(ports.monotonicMs() - started);
  return checkOne(ports, view, { name: 'engine', result: 'ok', milliseconds }, { signal, asked });
}
