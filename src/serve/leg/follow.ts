import type { ServerName } from '../../model/ids.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Leg } from './leg.ts';

/** How often is looked which container serves, ms, should the engine have told of a change to nobody. */
const lookEveryMs = 60_000;
/** How long after its end what tells of changes is asked for again, ms. */
const againMs = 1_000;
/** How often `meanwhile` is done, ms. */
const meanwhileMs = 1_000;
/** How long a server has to be there, or gone, before onlookers are told, ms: one that is started again is no news. */
const settleMs = 1_000;

/** What can be led to another container. */
export type Followed = Pick<Leg, 'server' | 'follow'>;

/** Whether a server serves, as onlookers know it and as it was last seen; of one that the engine said nothing of, neither. */
type Known = { told: boolean | undefined; seen: boolean | undefined; isSettling: boolean };

/** Who sees all servers as one, and is told of each that comes or goes. */
export type Onlookers = {
  readonly isThere: () => boolean;
  readonly serverChanged: (server: ServerName) => void;
};

export type Following = {
  /** Takes note of what serves now, for an onlooker that begins to look. */
  readonly onlookerCame: () => void;
  readonly stop: () => void;
};

/**
 * Leads conversations to what serves by now, until it is stopped: when the engine tells of a
 * change of their server, when it begins to tell, and now and then. A look that takes long holds up the next one of its
 * server, which is then made.
 */
export function followServing(
  upstreams: Upstreams,
  legs: () => readonly Followed[],
  meanwhile: () => void,
  onlookers: Onlookers,
): Following {
  const over = new AbortController();
  const looking = new Set<ServerName>();
  const wanted = new Set<ServerName>();
  /** Of each server; nothing is known while there are no onlookers. */
  let serving: Map<ServerName, Known> | undefined;

  const onlookerCame = async (): Promise<void> => {
    if (serving !== undefined) return;
    const known = new Map<ServerName, Known>();
    serving = known;
    try {
      for (const server of await upstreams.servers()) {
        const serves = await upstreams.serving(server);
        const now = serves === 'unknown' ? undefined : serves !== 'nothing';
        if (!known.has(server)) known.set(server, { told: now, seen: now, isSettling: false });
      }
    } catch {
      // To be begun again in a second.
      if (serving === known) serving = undefined;
    }
  };
  const saw = async (server: ServerName, serves: boolean): Promise<void> => {
    if (serving === undefined) return;
    const known = serving.get(server) ?? { told: false, seen: false, isSettling: false };
    serving.set(server, known);
    known.seen = serves;
    if (known.seen === known.told || known.isSettling) return;
    known.isSettling = true;
    await pause(settleMs, over.signal);
    known.isSettling = false;
    const isStillKnown = serving?.get(server) === known && !over.signal.aborted;
    if (!isStillKnown || known.seen === known.told) return;
    known.told = known.seen;
    onlookers.serverChanged(server);
  };

  const look = async (server: ServerName): Promise<void> => {
    if (looking.has(server)) return void wanted.add(server);
    looking.add(server);
    do {
      wanted.delete(server);
      const isOfUse = serving !== undefined || legs().some((leg) => leg.server === server);
      const serves = isOfUse ? await upstreams.serving(server) : 'unknown';
      if (serves !== 'unknown') saw(server, serves !== 'nothing');
      if (typeof serves === 'string' || over.signal.aborted) continue;
      const its = legs().filter((leg) => leg.server === server);
      const led = await Promise.all(its.map((leg) => leg.follow(serves)));
      if (!led.includes(false)) continue;
      wanted.add(server);
      await pause(againMs, over.signal);
    } while (wanted.has(server) && !over.signal.aborted);
    looking.delete(server);
  };
  const lookAtAll = (): void => {
    for (const server of new Set([...legs().map((leg) => leg.server), ...(serving?.keys() ?? [])])) look(server);
  };
  const hear = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await upstreams.watch({ onReady: lookAtAll, onChange: look }, over.signal);
      await pause(againMs, over.signal);
    }
  };
  const everySecond = (): void => {
    meanwhile();
    if (onlookers.isThere()) onlookerCame();
    else serving = undefined;
  };
  hear();
  if (onlookers.isThere()) onlookerCame();
  const timers = [setInterval(lookAtAll, lookEveryMs), setInterval(everySecond, meanwhileMs)];
  for (const timer of timers) timer.unref();
  return {
    onlookerCame,
    stop() {
      over.abort();
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** Resolves after `ms`, or when the signal aborts. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    signal.addEventListener('abort', end);
  });
