import { createHash } from 'node:crypto';
import type { DeclaredServer } from '../../model/desired.ts';
import type { Unanswered } from '../../model/health.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { boundsOf } from '../../model/replicas.ts';
import type { Serving } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import { mapBounded } from '../../model/values/map-bounded.ts';
import type { Orchestrator } from '../../orchestrator/port.ts';
import { type AskedHealth, checkServer, findingOf } from '../inspect/check-health.ts';
import type { Ports } from '../ports.ts';
import { type AnsweredCall, answeredCalls } from './answered-calls.ts';
import { keepFindings } from './keep-findings.ts';
import type { Told } from './told.ts';

/** Failures in a row until a server is down, and when it is asked again after the first ones, ms. */
const mostFailures = 3;
const againMs = [5_000, 10_000] as const;
/** A probe of a stdio server starts a process: 50 Python servers a minute take 0.8 of a core. */
const costShare = 100;
/** From when on an answer is slow, ms, and as a share of what the spec allows. */
const slowMs = 5_000;
const slowShare = 0.5;
/** Probes that run at once. */
const atOnce = 4;
/** One cause, where so many and at least half of the servers go down within so long, ms: one is repaired first. */
const manyServers = 5;
const togetherMs = 60_000;
/** Repairs at once in a project. */
const mostRepairs = 4;

type State = {
  nextAt: number;
  /** Since when nothing is known of it, on the wall clock. */
  askedAt: number;
  failures: number;
  downAt?: number;
  /** The container that was asked when it was found down. */
  downIn?: Asked;
  /** Of several that serve alike, the one after which the next one is asked: one that failed is asked again. */
  turn?: { readonly after: ContainerId | undefined };
  isSlow: boolean;
  /** It had no container when it was asked last, as it had no session. */
  isAsleep?: true;
  /** Whether it ever answered, and how long that took, s, where it was measured. */
  hasAnswered: boolean;
  seconds?: number;
  probe?: Probe;
};

/** Which container was asked; its name where others serve beside it. */
type Asked = { readonly container: ContainerId; readonly name?: string };

/** What came of the last probe, and when that was, ms since 1970. */
type Probe = { readonly at: number; readonly steps: AskedHealth['steps']; readonly failure: string | null };

/** How a server answers, as far as it was asked. */
export type ProbeState = {
  readonly state: 'healthy' | 'slow' | 'failing' | 'down' | 'asleep' | 'unknown';
  /** Of the last probe. */
  readonly seconds?: number;
  readonly probe?: Probe;
};

export type Probes = {
  /**
   * Asks those whose turn it is, beside those that are asked already, a few at once; whether one went down, or came back.
   * `heard` is told of each when it was asked, as another may take its whole time to answer nothing. Never throws for what
   * is wrong with a server.
   */
  readonly round: (signal: AbortSignal, heard?: (isNews: boolean) => void) => Promise<boolean>;
  /** When the next one can be asked, on the monotonic clock; infinite while as many are asked as may be. */
  readonly nextAt: () => number;
  /** Servers that are being changed, from now on: they are not asked, and what they answer meanwhile says nothing. */
  readonly changing: (servers: readonly ServerName[]) => void;
  /** What there is to probe from now on. */
  readonly setServers: (servers: readonly DeclaredServer[]) => void;
  /**
   * Which servers are to be replaced, as they do not answer. Of those that wait for their
   * next repair all, so that a plan holds them and they are told as waiting; of the others few at a time.
   */
  readonly toReplace: (
    isWaiting: (server: DeclaredServer) => Promise<boolean>,
  ) => Promise<ReadonlyMap<ServerName, Unanswered>>;
  /** A server was just made, started or replaced and has answered its gate; or has not, and is as it was before. */
  readonly settled: (server: ServerName, hasAnswered: boolean) => void;
  /** Keeps what was found and not kept yet; never throws. */
  readonly keep: () => Promise<void>;
  /** Undefined for what is not probed. */
  readonly stateOf: (server: ServerName) => ProbeState | undefined;
};

/** A place in its interval that is a server's own, so that a fleet is not asked at once; from 0 up to 1. */
const phaseOf = (project: ProjectName, server: ServerName): number =>
  createHash('sha256').update(`${project} ${server}`).digest().readUInt32BE() / 2 ** 32;

/**
 * Asks servers again and again whether they answer MCP, by the handshake and the list of the gate. `eventBefore` names the
 * last event that the engine told of a server: without another one its container is as it was. undefined: it is not heard.
 */
export function createProbes(
  ports: Ports,
  project: ProjectName,
  tell: (told: Told) => void,
  eventBefore: (server: ServerName) => string | undefined,
): Probes {
  const states = new Map<ServerName, State>();
  const specs = new Map<ServerName, DeclaredServer>();
  /** Those that are asked just now, and those that are changed. */
  const asking = new Set<ServerName>();
  let busy: ReadonlySet<ServerName> = new Set();
  const calls = answeredCalls(ports, project);
  /** Which run of which container was found well, and the last event that the engine had told of the server by then. */
  const well = new Map<ServerName, { container: ContainerId; run: string; event: string | undefined }>();
  const findings = keepFindings(ports, project);
  const intervalOf = (server: ServerName): number =>
    (specs.get(server)?.spec.lifecycle.healthCheckIntervalSeconds ?? 60) * 1000;

  const heard = (health: AskedHealth, state: State, serving: Serving | undefined): boolean => {
    const { name: server, container, verdict, milliseconds, failure, tools, steps } = health;
    const now = ports.monotonicMs();
    const askedAt = ports.now();
    const probe: Probe = { at: askedAt, steps, failure: failure?.message ?? null };
    const calm = Math.max(intervalOf(server), costShare * milliseconds);
    const isOneOfSeveral = serving?.beside !== undefined;
    const after = verdict === 'healthy' ? serving?.container : state.turn?.after;
    const turn = isOneOfSeveral ? { turn: { after } } : {};
    if (verdict === 'healthy') {
      const wasFailing = state.failures > 0;
      const limitMs = (specs.get(server)?.spec.mcp.timeoutSeconds ?? 0) * 1000 * slowShare;
      const isSlow = milliseconds > slowMs || milliseconds > limitMs;
      if (isSlow && !state.isSlow) tell({ type: 'slow', server, milliseconds });
      if (wasFailing) tell({ type: 'healthy', server, tools });
      const seconds = milliseconds / 1000;
      states.set(server, {
        nextAt: now + calm,
        askedAt,
        failures: 0,
        isSlow,
        hasAnswered: true,
        seconds,
        probe,
        ...turn,
      });
      return wasFailing;
    }
    if (verdict === 'asleep') {
      states.set(server, {
        nextAt: now + calm,
        askedAt,
        failures: 0,
        isSlow: false,
        isAsleep: true,
        hasAnswered: state.hasAnswered,
      });
      return state.failures > 0;
    }
    // One that does not run is the plan's to start; of one that could not be asked nothing is known.
    if (verdict !== 'unhealthy') {
      const { isAsleep: _, ...before } = state;
      states.set(server, { ...before, nextAt: now + calm, askedAt, probe });
      return verdict === 'stopped';
    }
    const failures = state.failures + 1;
    const isDown = failures >= mostFailures;
    const asked = isOneOfSeveral ? { container: serving.container, name: serving.containerName } : { container };
    tell({ type: 'failing', server, failures, failure, isDown });
    const wait = againMs[failures - 1] ?? calm;
    states.set(server, {
      nextAt: now + wait,
      askedAt,
      failures,
      isSlow: false,
      hasAnswered: state.hasAnswered,
      seconds: milliseconds / 1000,
      probe,
      ...turn,
      ...(isDown ? { downAt: state.downAt ?? now, downIn: asked } : {}),
    });
    return isDown;
  };

  /** A real call says what a probe would; that a server which had failed is well is kept as well. */
  const heardByCall = async (
    server: ServerName,
    { failures, downAt: _, downIn: __, isAsleep: ___, probe, ...state }: State,
    { at, container }: AnsweredCall,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const left = Math.max(0, intervalOf(server) - (ports.now() - at));
    states.set(server, {
      ...state,
      nextAt: ports.monotonicMs() + left,
      askedAt: at + 1,
      failures: 0,
      hasAnswered: true,
      // Why a probe failed is not why the server is as it is by now.
      ...(probe?.failure === null ? { probe } : {}),
    });
    if (failures === 0) return false;
    tell({ type: 'healthy', server, tools: null });
    const now = await (await ports.orchestrator()).sessions.containerRunning(container, { signal }).catch(() => null);
    if (now?.running === true) {
      const { run } = now;
      await findings.add([{ server, verdict: 'healthy', container, run, tools: null, detail: '', checkedAt: at }]);
    }
    return true;
  };

  /** Those that are neither asked nor changed. */
  const waiting = (): readonly (readonly [ServerName, State])[] =>
    [...states].filter(([server]) => !asking.has(server) && !busy.has(server));

  const ask = async (server: ServerName, before: State, signal: AbortSignal): Promise<boolean> => {
    // What one of several answered says nothing of the others.
    const spec = specs.get(server)?.spec;
    const isOneOfOne = spec === undefined || boundsOf(spec).most === 1;
    const call = isOneOfOne ? await calls.since(server, before.askedAt) : undefined;
    const event = eventBefore(server);
    const last = well.get(server);
    const still = event !== undefined && last?.event === event ? last : undefined;
    let serving: Serving | undefined;
    const orchestrator = async (): Promise<Orchestrator> => {
      const one = await ports.orchestrator();
      return {
        ...one,
        async serving(...[of, name, options]) {
          serving = await one.serving(of, name, { ...options, after: before.turn?.after });
          return serving;
        },
      };
    };
    const inTurn = { ...ports, orchestrator };
    const found = call === undefined ? await checkServer(inTurn, { project, server }, { signal, still }) : undefined;
    if (found?.health.verdict === 'healthy') {
      well.set(server, { container: found.health.container, run: found.run, event });
    } else if (found !== undefined) well.delete(server);
    // What was changed meanwhile is another one by now.
    if (states.get(server) !== before || busy.has(server)) return false;
    if (call !== undefined) return heardByCall(server, before, call, signal);
    if (found !== undefined) {
      const isNews = heard(found.health, before, serving);
      await findings.add(findingOf(found));
      return isNews;
    }
    // Making one that is not there is the plan's.
    const nextAt = ports.monotonicMs() + intervalOf(server);
    states.set(server, { nextAt, askedAt: before.askedAt, failures: 0, isSlow: false, hasAnswered: false });
    return false;
  };

  return {
    async round(signal, told) {
      const due = waiting().filter(([, { nextAt }]) => nextAt <= ports.monotonicMs());
      const asked = due.slice(0, Math.max(0, atOnce - asking.size)).map(async ([server, before]) => {
        asking.add(server);
        let isNews = false;
        try {
          isNews = await ask(server, before, signal);
        } catch (error) {
          // What is in the way is not the server's: it is asked again, and not at once.
          if (states.get(server) === before)
            states.set(server, { ...before, nextAt: ports.monotonicMs() + againMs[0] });
          throw error;
        } finally {
          asking.delete(server);
          told?.(isNews);
        }
        return isNews;
      });
      return (await Promise.all(asked)).some(Boolean);
    },
    nextAt: () =>
      asking.size >= atOnce
        ? Number.POSITIVE_INFINITY
        : Math.min(Number.POSITIVE_INFINITY, ...waiting().map(([, { nextAt }]) => nextAt)),
    changing(servers) {
      busy = new Set(servers);
    },
    setServers(servers) {
      const now = ports.monotonicMs();
      specs.clear();
      for (const server of servers) if (server.spec.enabled) specs.set(server.spec.name, server);
      for (const server of [...states.keys()]) if (!specs.has(server)) states.delete(server);
      for (const server of [...well.keys()]) if (!specs.has(server)) well.delete(server);
      calls.keep(specs);
      for (const server of specs.keys()) {
        if (states.has(server)) continue;
        const nextAt = now + phaseOf(project, server) * intervalOf(server);
        states.set(server, { nextAt, askedAt: ports.now(), failures: 0, isSlow: false, hasAnswered: false });
      }
    },
    async toReplace(isWaiting) {
      const down = [...states].flatMap(([server, { downAt, downIn, failures, probe }]) => {
        const spec = specs.get(server);
        if (downAt === undefined || downIn === undefined || spec === undefined) return [];
        const { container, name } = downIn;
        const why = `${name === undefined ? '' : `${name} `}did not answer ${failures} times: ${probe?.failure ?? 'nobody knows why'}`;
        return [{ server, spec, downAt, container, why }];
      });
      const waits = await mapBounded(down, atOnce, ({ spec }) => isWaiting(spec));
      const others = down.filter((_, index) => !waits[index]);
      // Those that wait have been down for long, and say nothing of what the others have in common.
      const together = Math.max(
        0,
        ...down.map(
          (one) => down.filter(({ downAt }) => downAt >= one.downAt && downAt - one.downAt <= togetherMs).length,
        ),
      );
      const isOneCause = together >= manyServers && together * 2 >= states.size;
      const chosen = new Set(others.slice(0, isOneCause ? 1 : mostRepairs));
      return new Map(
        down
          .filter((one, index) => waits[index] || chosen.has(one))
          .map(({ server, container, why }) => [server, { container, why }]),
      );
    },
    settled(server, hasAnswered) {
      const before = states.get(server);
      if (before === undefined) return;
      const now = ports.monotonicMs();
      const askedAt = ports.now();
      states.set(
        server,
        hasAnswered
          ? { nextAt: now + intervalOf(server), askedAt, failures: 0, isSlow: false, hasAnswered }
          : // A repair that failed mends nothing: one that was down stays so, and is asked before it is repaired again.
            { ...before, nextAt: now, askedAt },
      );
    },
    keep: findings.write,
    stateOf(server) {
      const found = states.get(server);
      if (found === undefined) return undefined;
      const { failures, downAt, isSlow, isAsleep, hasAnswered, seconds, probe } = found;
      const bad = downAt !== undefined ? 'down' : failures > 0 ? 'failing' : isAsleep ? 'asleep' : undefined;
      const state = bad ?? (isSlow ? 'slow' : hasAnswered ? 'healthy' : 'unknown');
      return { state, ...defined({ seconds, probe }) };
    },
  };
}
