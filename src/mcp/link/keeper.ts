import { type ContainerId, keeperName } from '../../model/ids.ts';
import type { ExecSession, SessionHost } from '../../orchestrator/session-host.ts';
import { endScript, keeperScript } from './session-scripts.ts';

/** Into how many parts a lease is divided, of which each may fail to renew it but the last. */
const renewalsPerLease = 3;

/** How long the engine may take to start a keeper, ms. */
const startMs = 10_000;

/** A session whose lease goes on as long as this program holds it. */
export type KeptSession = {
  /** What every process of it has in its environment. */
  readonly mark: string;
  readonly group: () => number;
  /** Who counts its lease, once that is known. */
  readonly watcher: () => string | undefined;
  /** Renews its lease where no keeper can. Never throws. */
  readonly renew: () => Promise<void>;
};

type Place = { readonly sessions: SessionHost; readonly container: ContainerId };

type Keeper = {
  /** Takes a session that is about to begin: from then on it ends with this program. */
  readonly add: (session: KeptSession) => void;
  /** Says that its watcher is known, so that its lease can be renewed. */
  readonly began: (session: KeptSession) => void;
  readonly remove: (session: KeptSession) => void;
};

const keepers = new WeakMap<SessionHost, Map<ContainerId, Keeper>>();

/**
 * The keeper of a container's sessions: one exec for all that this program holds there. Each third of `leaseMs` its input
 * says that they go on, which costs the engine nothing; when it ends, as it does however this program dies, it ends what is
 * left of them. Where it cannot run, each lease is renewed by an exec of its own.
 */
export function keeperOf({ sessions, container }: Place, leaseMs: number): Keeper {
  const ofHost = keepers.get(sessions) ?? new Map<ContainerId, Keeper>();
  keepers.set(sessions, ofHost);
  const found = ofHost.get(container);
  if (found !== undefined) return found;
  const made = createKeeper({ sessions, container }, leaseMs, () => ofHost.delete(container));
  ofHost.set(container, made);
  return made;
}

const beginning = ({ mark, watcher, group }: KeptSession): string =>
  watcher() === undefined ? `+ ${mark}\n` : `+ ${mark} ${watcher()} ${group()}\n`;

function createKeeper({ sessions, container }: Place, leaseMs: number, isOver: () => void): Keeper {
  const kept = new Set<KeptSession>();
  let running: Promise<ExecSession | undefined> | undefined;
  /** `forget` is told that it is of no use any more, more than once as the case may be. */
  const start = async (forget: () => void): Promise<ExecSession | undefined> => {
    // What begins beside it is known to it from its start on: this program may be gone before it can tell.
    const argv = ['sh', '-c', keeperScript, keeperName, endScript, ...[...kept].map(({ mark }) => mark)];
    const exec = await sessions.exec(container, { argv }, { signal: AbortSignal.timeout(startMs) });
    exec.ended.then(forget, forget);
    for (const stream of [exec.stdin, exec.stdout, exec.stderr]) stream.on('error', forget);
    exec.stdout.resume();
    exec.stderr.resume();
    exec.stdin.write([...kept].map(beginning).join(''));
    return exec;
  };
  const open = (): Promise<ExecSession | undefined> => {
    if (running !== undefined) return running;
    // One that ends late says nothing about the one after it.
    const forget = (): void => {
      if (running === made) running = undefined;
    };
    const made = start(forget).catch(() => {
      forget();
      return undefined;
    });
    running = made;
    return made;
  };
  const say = async (text: string): Promise<boolean> => {
    const exec = await open();
    if (exec === undefined || exec.stdin.destroyed || exec.stdin.writableEnded) return false;
    exec.stdin.write(text);
    return true;
  };
  const timer = setInterval(async () => {
    if (kept.size === 0) {
      clearInterval(timer);
      isOver();
      (await running)?.stdin.end();
    } else if (!(await say('.\n'))) {
      for (const session of kept) session.renew();
    }
  }, leaseMs / renewalsPerLease);
  timer.unref();

  return {
    add(session) {
      kept.add(session);
      if (running === undefined) open();
      else say(beginning(session));
    },
    began(session) {
      if (kept.has(session)) say(beginning(session));
    },
    remove(session) {
      if (kept.delete(session) && running !== undefined) say(`- ${session.mark}\n`);
    },
  };
}
