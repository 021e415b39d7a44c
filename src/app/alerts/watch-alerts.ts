import type { Alert, AlertBook, AlertReceiver, AlertSettings, AlertTurn } from '../../model/alerts.ts';
import { isFailure, LoomsError, traitsOf } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { failureOf, messageOf } from '../../model/failure.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { MetricFamily } from '../../model/trail/metrics.ts';
import { defined } from '../../model/values/defined.ts';
import { withoutLedger } from '../inspect/read-kept.ts';
import { type Sampler, sampleEveryMs } from '../measure/sampler.ts';
import type { Ports } from '../ports.ts';
import type { ServerToLoop } from '../watch/loop-record.ts';
import type { Told } from '../watch/told.ts';
import { alertFamilies, type RuleOfServer } from './alert-metrics.ts';
import { forgetTold, isDue, lookAtAlerts, type Owed, owedTo, turnedIn, withinBound, withTold } from './book.ts';
import { countCalls } from './count-calls.ts';
import { alertMessage, receiverAddress, receiverKey, signedHeaders } from './message.ts';
import { type CallCount, readingOf } from './readings.ts';

/** How old what is kept may get before it is written down again although nothing changed, ms. */
const freshMs = 60_000;
/** Between two looks, ms, and after a message that was not taken: longer each time. */
const everyMs = sampleEveryMs;
const firstAgainMs = 30_000;
const longestAgainMs = 300_000;
/** How long other programs leave telling to the one that began, ms: longer than all of its tries take. */
const tellingMs = 90_000;

/** Most turns of alerts that wait to be written down; the oldest go first. */
const mostUnkept = 1_000;

/** Delivers a message by POST. Throws why nobody took it. */
export type Post = (
  url: string,
  message: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  signal: AbortSignal,
) => Promise<void>;

type Needs = {
  readonly project: ProjectName;
  readonly sampler: Sampler;
  /** The servers that are declared, as the loop sees them; undefined before its first look. */
  readonly servers: () => readonly ServerToLoop[] | undefined;
  /** As they are by now. Throws what keeps them from being read. */
  readonly settings: () => Promise<AlertSettings>;
  readonly post: Post;
};

type Running = { readonly stop: AbortSignal; readonly tell: (told: Told) => void };

/** The alerts of a project while a loop runs. */
export type Alerts = {
  /** Those that fire, then those that are pending, then those of which nothing is known. */
  readonly current: () => readonly CurrentAlert[];
  readonly families: () => readonly MetricFamily[];
  /** Looks, and tells whom looms.yaml names, until `stop` aborts; `tell` hears of what turned. Throws nothing. */
  readonly run: (stop: AbortSignal, tell: (told: Told) => void) => Promise<void>;
};

/** An alert as it is now. Moments are ms since 1970. */
export type CurrentAlert = Pick<Alert, 'rule' | 'server' | 'value' | 'since'> & {
  readonly state: 'firing' | 'pending' | 'unknown';
};

export function createAlerts(ports: Ports, { project, sampler, servers, settings, post }: Needs): Alerts {
  const me = `${ports.whoAmI.host} ${ports.whoAmI.pid} ${ports.now()}`;
  let held: AlertBook | undefined;
  let known: AlertSettings = { rules: [], receivers: [] };
  let engine: string | undefined;
  /** Whether the engine of that id is still the one that is there, as far as its answers tell. */
  let isSameEngine = false;
  let isBlind = false;
  let unknown: readonly CurrentAlert[] = [];
  let calm: readonly RuleOfServer[] = [];
  let enough: (() => void) | undefined;
  /** Receivers that took nothing: when each is tried again, and what was told of it, so that it is told once. */
  const again = new Map<string, { readonly at: number; readonly failures: number; readonly said: string }>();

  /** Receivers whose address and key were found once. */
  const found = new Set<string>();
  /** Receivers that are told now: beside the looks and each other, as one that does not answer takes half a minute. */
  const telling = new Map<string, Promise<void>>();

  /** That a receiver takes messages again, or is none any more. */
  const reached = (key: string, tell: Running['tell']): void => {
    if (again.delete(key) && again.size === 0) tell({ type: 'back', what: 'receiver' });
  };

  const place = async (): Promise<{ readonly engine: string; readonly project: ProjectName }> => {
    if (engine === undefined || !isSameEngine) {
      const { id } = await (await ports.orchestrator()).describe();
      if (engine !== undefined && engine !== id) held = undefined;
      engine = id;
      isSameEngine = true;
    }
    return { engine, project };
  };

  /** Changes the book of this project, in the ledger, or where that cannot be written in memory alone. */
  const change = async (work: (book: AlertBook | undefined) => AlertBook | undefined): Promise<void> => {
    const at = await place();
    try {
      held = (await ports.alerts.changeAlerts(at, work)) ?? held;
    } catch (error) {
      if (!isFailure(error, 'ledger-unreadable')) throw error;
      ports.warn({ code: 'alerts-not-kept', message: `alerts are not kept: ${error.message}` });
      held = work(held) ?? held;
    }
  };

  const callsIn = async (): Promise<(server: ServerName, overMs: number) => CallCount | undefined> => {
    const spans = known.rules.flatMap(({ when }) =>
      when.kind === 'number' && when.metric.startsWith('calls') ? (when.overMs ?? []) : [],
    );
    if (spans.length === 0) return () => undefined;
    const { engine } = await place();
    const counted = await countCalls(ports, { project, engine, spans: [...new Set(spans)] }).catch(
      withoutLedger(ports, 'calls-unknown', 'calls are not known', undefined),
    );
    return (server, overMs) => counted?.get(overMs)?.get(server) ?? (counted && { all: 0, failed: 0 });
  };

  /** What alerts did and is not written down yet. */
  let unkept: readonly AlertTurn[] = [];
  const look = async (tell: (told: Told) => void): Promise<void> => {
    const seen = servers();
    const calls = await callsIn();
    const declared = seen && new Map(seen.map((one) => [one.server, one]));
    for (const { text, server } of known.rules) {
      if (server !== undefined && declared?.has(server) === false)
        ports.warn({
          code: 'alert-without-server',
          message: `the alert ${text} is about no server: none of the specs is called ${server}`,
        });
    }
    const latest = sampler.latest();
    const blind: CurrentAlert[] = [];
    const well: RuleOfServer[] = [];
    const now = ports.now();
    let turned: readonly Alert[] = [];
    let dropped = 0;
    await change((book) => {
      blind.length = 0;
      well.length = 0;
      const after = lookAtAlerts(book, {
        now,
        rules: known.rules,
        servers: declared,
        isChanging: (server) => (latest?.get(server)?.running ?? 0) > 1,
        readingOf: (rule, loop) => {
          const { server } = loop;
          const reading = readingOf(rule, {
            now: ports.monotonicMs(),
            points: sampler.points(server),
            calls: (overMs) => calls(server, overMs),
            loop,
          });
          if (reading.kind === 'unknown')
            blind.push({ rule: rule.text, server, state: 'unknown', value: '', since: now });
          else well.push({ rule: rule.text, server });
          return reading;
        },
      });
      turned = turnedIn(book?.alerts ?? [], after);
      const bounded = withinBound(forgetTold(after, known.receivers.map(receiverKey)));
      dropped = bounded.dropped;
      const { alerts } = bounded;
      const isSame = JSON.stringify(alerts) === JSON.stringify(book?.alerts ?? []);
      const isFresh = book !== undefined && Math.abs(now - book.at) < freshMs;
      return isSame && isFresh ? undefined : { ...book, at: now, alerts };
    });
    unknown = blind;
    calm = well;
    if (dropped > 0)
      ports.warn({
        code: 'alerts-dropped',
        message: `${dropped} alerts that resolved were dropped: no receiver took them in time`,
      });
    const turns = turned.flatMap((alert): readonly AlertTurn[] => {
      const { rule, server, state, value } = alert;
      if (state === 'pending') return [];
      return [{ rule, server, state, value, time: now, ...defined({ why: 'why' in alert ? alert.why : undefined }) }];
    });
    for (const { time: _, ...turn } of turns) tell({ type: 'alert', ...turn });
    if (unkept.length + turns.length > mostUnkept)
      ports.warn({
        code: 'alerts-not-kept',
        message: `more than ${mostUnkept} turns of alerts wait to be written down: looms events will not have the oldest`,
      });
    unkept = [...unkept, ...turns].slice(-mostUnkept);
  };

  /** Writes down what alerts did; what cannot be is tried again with the next look. */
  const keepTurns = async (): Promise<void> => {
    if (unkept.length === 0) return;
    try {
      await ports.keptLogs.keepAlertTurns(await place(), unkept);
      unkept = [];
    } catch (error) {
      ports.warn({
        code: 'alerts-not-kept',
        message: `looms events does not have what alerts did, until that can be written down: ${messageOf(error)}`,
      });
    }
  };

  /** Tells one receiver what it is owed, if that is due and no other program does. */
  const tellReceiver = async (receiver: AlertReceiver, { stop, tell }: Running): Promise<void> => {
    const key = receiverKey(receiver);
    const waits = again.get(key);
    if (waits !== undefined && waits.at > ports.monotonicMs()) return;
    const failed = (failure: Failure): void => {
      const failures = (waits?.failures ?? 0) + 1;
      const pauseMs = Math.min(longestAgainMs, firstAgainMs * 2 ** Math.min(failures - 1, 10));
      const said = `${failure.code} ${failure.message}`;
      again.set(key, { at: ports.monotonicMs() + pauseMs, failures, said });
      if (said !== waits?.said) tell({ type: 'away', what: 'receiver', failure });
    };
    if (!found.has(key)) {
      // Who has no address, or nothing that signs, hears of no alert: that is said before there is one.
      ports.forgetSecrets();
      const failure = await receiverAddress(ports, receiver).then(() => undefined, failureOf);
      if (failure !== undefined) return failed(failure);
      found.add(key);
      reached(key, tell);
    }
    const owedIn = (alerts: readonly Alert[]): readonly Owed[] =>
      owedTo(alerts, key, { remindMs: receiver.remindMs, now: ports.now() });
    if (!isDue(owedIn(held?.alerts ?? []), ports.now())) return;
    let owed: readonly Owed[] = [];
    const othersOf = ({ tellers = [] }: AlertBook) => tellers.filter((one) => one.receiver !== key);
    await change((book) => {
      const now = ports.now();
      owed = [];
      if (book === undefined) return undefined;
      // One that began before the clock was set back would hold for as long as that.
      const holds = (until: number): boolean => until > now && until <= now + tellingMs;
      if (book.tellers?.some((one) => one.receiver === key && one.id !== me && holds(one.until))) return undefined;
      const due = owedIn(book.alerts);
      if (!isDue(due, now)) return undefined;
      owed = due;
      return { ...book, tellers: [...othersOf(book), { receiver: key, id: me, until: now + tellingMs }] };
    });
    if (owed.length === 0) return;
    let end: 'told' | 'stopped' | Failure;
    try {
      ports.forgetSecrets();
      const { url, secret } = await receiverAddress(ports, receiver);
      const message = alertMessage(await place(), owed, ports.now());
      const body = JSON.stringify(message);
      const time = Math.floor(ports.now() / 1000);
      await post(url, { body, headers: signedHeaders({ id: message.id, time, body }, secret) }, stop);
      end = 'told';
    } catch (error) {
      end = stop.aborted ? 'stopped' : failureOf(error);
    }
    // Also where this program ends: the next one, or another that runs, tells at once.
    await change((book) => {
      if (book === undefined) return undefined;
      const told = end === 'told' ? withTold(book.alerts, key, owed, ports.now()) : book.alerts;
      return { ...book, tellers: othersOf(book), alerts: forgetTold(told, known.receivers.map(receiverKey)) };
    });
    if (end === 'told') reached(key, tell);
    if (typeof end === 'string') return;
    failed(end);
  };

  /** Nothing is known of alerts while the engine is away, which the loop tells. */
  const guarded = (work: Promise<void>, { stop }: Pick<Running, 'stop'>): Promise<void> =>
    work.catch((error: unknown) => {
      const isAway = stop.aborted || (error instanceof LoomsError && traitsOf(error.code).ours);
      if (!isAway)
        ports.warn({
          code: 'alerts-not-looked-at',
          message: `alerts cannot be looked at: ${failureOf(error).message}`,
        });
    });

  const pass = async (running: Running): Promise<void> => {
    // What was measured last is too old to tell of now: the engine is away, and what answers next may be another one.
    if (sampler.latest() === undefined) isBlind = true;
    else if (isBlind) {
      isBlind = false;
      isSameEngine = false;
    }
    // A file that cannot be read, which the loop tells, leaves in force what it said last.
    known = await settings().catch(() => known);
    if (known.rules.length > 0) enough ??= sampler.want();
    else {
      enough?.();
      enough = undefined;
    }
    const keys = known.receivers.map(receiverKey);
    for (const key of [...again.keys()]) if (!keys.includes(key)) reached(key, running.tell);
    if (known.rules.length === 0 && held?.alerts.length === 0) {
      unknown = [];
      calm = [];
      return keepTurns();
    }
    await look(running.tell);
    await keepTurns();
    for (const receiver of known.receivers) {
      const key = receiverKey(receiver);
      if (!telling.has(key))
        telling.set(
          key,
          guarded(tellReceiver(receiver, running), running).finally(() => telling.delete(key)),
        );
    }
  };

  return {
    current() {
      const open = (held?.alerts ?? []).flatMap(({ rule, server, state, value, since }) =>
        state === 'resolved' ? [] : [{ rule, server, state, value, since }],
      );
      const isOpen = ({ rule, server }: RuleOfServer): boolean =>
        open.some((one) => one.rule === rule && one.server === server);
      const firing = open.filter(({ state }) => state === 'firing');
      return [...firing, ...open.filter(({ state }) => state === 'pending'), ...unknown.filter((one) => !isOpen(one))];
    },
    families() {
      const firing = (held?.alerts ?? []).filter(({ state }) => state === 'firing');
      const others = [...calm, ...unknown].filter(
        ({ rule, server }) => !firing.some((one) => one.rule === rule && one.server === server),
      );
      return alertFamilies(firing, others);
    },
    async run(stop, tell) {
      while (!stop.aborted) {
        const looked = new AbortController();
        const ended = sampler.onLook(() => looked.abort());
        await guarded(pass({ stop, tell }), { stop });
        await ports.pause(everyMs, AbortSignal.any([stop, looked.signal]));
        ended();
      }
      await Promise.all(telling.values());
      enough?.();
    },
  };
}
