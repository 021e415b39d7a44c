import type { ServerName } from '../../model/ids.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Leg } from './leg.ts';

/** How often is looked which container serves, ms, should the engine have told of a change to nobody. */
const lookEveryMs = 60_000;
/** How long after its end what tells of changes is asked for again, ms. */
const againMs = 1_000;
/** How often `meanwhile` is done, ms. */
const meanwhileMs = 1_000;

/** What can be led to another container. */
export type Followed = Pick<Leg, 'server' | 'follow'>;

/** Who sees all servers as one, and is told of each that comes or goes. */
export type Onlookers = {
  readonly isThere: () => boolean;
  readonly serverChanged: (server: ServerName) => void;
};

/**
 * Leads conversations to what serves by now, until what comes back is called: when the engine tells of a
 * change of their server, when it begins to tell, and now and then. A look that takes long holds up the next one of its
 * server, which is then made.
 */
export function followServing(
  upstreams: Upstreams,
  legs: () => readonly Followed[],
  meanwhile: () => void,
  onlookers: Onlookers,
): () => void {
  const over = new AbortController();
  const looking = new Set<ServerName>();
  const wanted = new Set<ServerName>();
  /** Which servers serve, as far as onlookers know; nothing is known while there are none. */
  let serving: Map<ServerName, boolean> | undefined;

  const lookForOnlookers = async (): Promise<void> => {
    if (!onlookers.isThere()) {
      serving = undefined;
      return;
    }
    if (serving !== undefined) return;
    const known = new Map<ServerName, boolean>();
    serving = known;
    for (const server of await upstreams.servers().catch(() => [])) {
      const serves = (await upstreams.serving(server)) !== undefined;
      if (!known.has(server)) known.set(server, serves);
    }
  };
  const saw = (server: ServerName, serves: boolean): void => {
    if (serving === undefined || (serving.get(server) ?? false) === serves) return;
    serving.set(server, serves);
    onlookers.serverChanged(server);
  };

  const look = async (server: ServerName): Promise<void> => {
    if (looking.has(server)) return void wanted.add(server);
    looking.add(server);
    do {
      wanted.delete(server);
      const isOfUse = serving !== undefined || legs().some((leg) => leg.server === server);
      const serves = isOfUse ? await upstreams.serving(server) : undefined;
      saw(server, serves !== undefined);
      if (serves === undefined || over.signal.aborted) continue;
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
    lookForOnlookers();
  };
  hear();
  const timers = [setInterval(lookAtAll, lookEveryMs), setInterval(everySecond, meanwhileMs)];
  for (const timer of timers) timer.unref();
  return () => {
    over.abort();
    for (const timer of timers) clearInterval(timer);
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
