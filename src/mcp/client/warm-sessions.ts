import { LoomsError, traitsOf } from '../../model/errors.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import type { Session, SessionOptions, SessionSource, SessionTarget } from './session.ts';

/** Lease of a process that is held, ms: whoever holds it renews it, so that it is what a killed program leaves behind. */
const leaseMs = 60_000;
/** How long one that was kept may take to show that it is there, ms; then another is opened. */
const proofMs = 2_000;
/** How many without use a container keeps: they take the room of those that others open in it. */
const mostEach = 2;
/** An opening that takes longer may wait for room, ms: those without use in its container make it. */
const patienceMs = 500;

type Bounds = {
  /** How long one without use is kept, ms. */
  readonly idleMs: number;
  /** How many without use are kept; the least recently used goes first. */
  readonly most: number;
};

export type WarmSessions = {
  readonly open: SessionSource;
  /** The servers of which sessions are kept, as what follows their containers knows them. */
  readonly kept: () => readonly {
    readonly server: ServerName;
    readonly follow: (serves: {
      readonly container: ContainerId;
      readonly beside?: readonly { readonly container: ContainerId }[];
    }) => Promise<boolean>;
    /** Ends the one that is kept for the longest time. */
    readonly endOldest: () => Promise<void>;
    /** How many of them are in a container. */
    readonly countIn: (container: ContainerId) => number;
    readonly endIn: (containers: readonly ContainerId[]) => Promise<void>;
    /** How long none of them was used, ms. */
    readonly idleMs: () => number;
  }[];
  /** Ends those without use, and keeps none any more. */
  readonly close: () => Promise<void>;
};

type Kept = {
  readonly session: Session;
  readonly key: string;
  readonly server: ServerName;
  readonly container: ContainerId;
  /** Who uses it; hears what its server says meanwhile. */
  user: SessionOptions | undefined;
  /** When it was given back, ms of a clock that never goes back. */
  usedAt: number;
  /** Its server has asked something: the time that questions may take is that of a session. */
  hasAsked: boolean;
  timer?: NodeJS.Timeout;
};

/** Somebody who opens a session, and would take one that is given back meanwhile. */
type Waiter = Pick<Kept, 'key' | 'container'> & { readonly take: (one: Kept) => Promise<void> };

/**
 * A source of sessions that keeps them for the next one who would open the same: the same container, secrets, protocol, and
 * whether questions are answered. One has one user at a time, and one that failed is not kept. Before it is used again it
 * has listed its tools anew, so that what a server shows is as new as in a session of its own. Who wants to hear a server's
 * log or stray lines, or asks for a `fresh` one, gets one of its own. One that is given back goes to whoever waits for such a
 * one, as a container may have no room for another.
 */
export function warmSessions(source: SessionSource, { idleMs, most }: Bounds): WarmSessions {
  /** In the order of their last use. */
  const idle = new Set<Kept>();
  const waiting = new Set<Waiter>();
  let isClosed = false;

  const end = async (one: Kept): Promise<void> => {
    clearTimeout(one.timer);
    idle.delete(one);
    await one.session.close();
  };
  const keep = async (one: Kept): Promise<void> => {
    one.user = undefined;
    one.usedAt = performance.now();
    const around = [...waiting].filter(({ container }) => container === one.container);
    const next = around.find(({ key }) => key === one.key);
    const isKept = !isClosed && !one.hasAsked && one.session.capabilities.tools !== undefined;
    if (isKept && next !== undefined) {
      waiting.delete(next);
      return next.take(one);
    }
    const others = [...idle].filter(({ container }) => container === one.container);
    if (!isKept || around.length > 0 || others.length >= mostEach) return end(one);
    idle.add(one);
    one.timer = setTimeout(() => end(one), idleMs);
    one.timer.unref();
    const [oldest] = idle;
    if (idle.size > most && oldest !== undefined) await end(oldest);
  };

  /** The session for one user, whose `close` gives it back. */
  const lend = (one: Kept): Session => {
    let isSound = true;
    const watched =
      <A extends unknown[], T>(work: (...given: A) => Promise<T>) =>
      async (...given: A): Promise<T> => {
        try {
          return await work(...given);
        } catch (error) {
          if (!(error instanceof LoomsError) || traitsOf(error.code).sound !== true) isSound = false;
          throw error;
        }
      };
    const { session } = one;
    let closing: Promise<void> | undefined;
    return {
      ...session,
      listTools: watched(session.listTools),
      findTool: watched(session.findTool),
      callTool: watched(session.callTool),
      listResources: watched(session.listResources),
      readResource: watched(session.readResource),
      listPrompts: watched(session.listPrompts),
      findPrompt: watched(session.findPrompt),
      getPrompt: watched(session.getPrompt),
      close(options) {
        closing ??= isSound ? keep(one) : session.close(options);
        return closing;
      },
    };
  };
  const openKept = async (key: string, target: SessionTarget, options: SessionOptions): Promise<Kept> => {
    const { answer, onRefused } = options;
    let one: Kept | undefined;
    const session = await source(target, {
      ...options,
      // It is used for other calls, too.
      within: undefined,
      lifetimeMs: leaseMs,
      renews: true,
      onRefused: (refusal) => (one === undefined ? onRefused : one.user?.onRefused)?.(refusal),
      ...(answer === undefined
        ? {}
        : {
            answer: async (question, gone) => {
              if (one !== undefined) one.hasAsked = true;
              return (await (one === undefined ? answer : one.user?.answer)?.(question, gone)) ?? { action: 'cancel' };
            },
          }),
    });
    one = {
      session,
      key,
      server: target.spec.name,
      container: target.container,
      user: options,
      usedAt: performance.now(),
      hasAsked: false,
    };
    return one;
  };
  /** Whether a session that was kept is there, for its next user. */
  const proves = async (one: Kept, options: SessionOptions): Promise<boolean> => {
    one.user = options;
    const tooLate = AbortSignal.timeout(proofMs);
    const signal = options.signal === undefined ? tooLate : AbortSignal.any([options.signal, tooLate]);
    options.onConnected?.();
    options.onAsked?.();
    try {
      await one.session.listTools({ signal });
      return true;
    } catch (error) {
      end(one);
      if (options.signal?.aborted) throw error;
      return false;
    }
  };
  /** One that was kept, once it has shown that it is there. */
  const wake = async (key: string, options: SessionOptions): Promise<Kept | undefined> => {
    for (const one of [...idle].reverse()) {
      if (one.key !== key || !idle.delete(one)) continue;
      clearTimeout(one.timer);
      if (await proves(one, options)) return one;
    }
    return undefined;
  };
  /** A new one, or one that is given back before that is open. */
  const next = async (key: string, target: SessionTarget, options: SessionOptions): Promise<Kept> => {
    const { container } = target;
    const given = Promise.withResolvers<Kept>();
    const enough = new AbortController();
    let proof: Promise<boolean> = Promise.resolve(false);
    const waiter: Waiter = {
      key,
      container,
      take: async (one) => {
        proof = proves(one, options).catch(() => false);
        if (await proof) given.resolve(one);
      },
    };
    waiting.add(waiter);
    const makeRoom = setTimeout(() => {
      for (const one of [...idle]) if (one.container === container) end(one);
    }, patienceMs);
    const { signal } = options;
    const opening = openKept(key, target, {
      ...options,
      signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
    });
    try {
      // One that shows that it is there by now may still be had where no other one can be opened.
      const opened = opening.catch(async (error: unknown) => {
        waiting.delete(waiter);
        if (await proof) return given.promise;
        throw error;
      });
      const one = await Promise.race([opened, given.promise]);
      // Whichever came second is one too many, unless somebody waits for it.
      for (const other of [opening, given.promise]) {
        other.then((extra) => (extra === one ? undefined : keep(extra))).catch(() => {});
      }
      return one;
    } finally {
      clearTimeout(makeRoom);
      waiting.delete(waiter);
      enough.abort();
    }
  };

  return {
    async open(target, options = {}) {
      const isOwn = options.fresh === true || options.onLog !== undefined || options.onStray !== undefined;
      if (isOwn || isClosed) return source(target, options);
      const key = keyOf(target, options);
      return lend((await wake(key, options)) ?? (await next(key, target, options)));
    },
    kept: () =>
      [...Map.groupBy(idle, ({ server }) => server)].map(([server, all]) => ({
        server,
        endOldest: async () => {
          const [oldest] = all;
          if (oldest !== undefined && idle.has(oldest)) await end(oldest);
        },
        countIn: (container) => all.filter((one) => one.container === container && idle.has(one)).length,
        endIn: async (containers) => {
          const those = all.filter((one) => containers.includes(one.container) && idle.has(one));
          await Promise.all(those.map(end));
        },
        idleMs: () => performance.now() - Math.max(...all.map(({ usedAt }) => usedAt)),
        follow: async ({ container, beside = [] }) => {
          const serves = new Set([container, ...beside.map((one) => one.container)]);
          await Promise.all(all.filter((one) => !serves.has(one.container) && idle.has(one)).map(end));
          return true;
        },
      })),
    async close() {
      isClosed = true;
      await Promise.all([...idle].map(end));
    },
  };
}

/** What two sessions have in common that can stand in for one another; secrets are in it as a digest. */
function keyOf(target: SessionTarget, { protocol, answer }: SessionOptions): string {
  const { container, argv, env } = target;
  const all = { container, argv, env, protocol: protocol ?? '', answers: answer !== undefined };
  return sha256(canonicalJson(all));
}
