import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { isHttp, type ProtocolChoice } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { Findings } from '../../model/trail/findings.ts';
import { idsOf, type TraceContext } from '../../model/trail/tracing.ts';
import type { LinkOptions } from '../link/link.ts';
import { type LinkSource, openLink } from '../link/open-link.ts';
import { createExactResults } from './answers/exact-results.ts';
import type { Attempt } from './converse.ts';
import { type EndMemory, endMemory, firstChoice, memoryKey, nextChoice } from './server-memory.ts';
import { answerAllowanceMs } from './server-requests.ts';
import type { SessionOptions, SessionSource, SessionTarget } from './session.ts';

/** How long a server may take to end by itself when its session is closed, ms. */
const defaultGraceMs = 1_000;
/** Added to a session's life for whatever lies between its calls, ms. */
const lifetimeSlackMs = 60_000;

/**
 * A source of sessions that opens each one itself: one exec for stdio servers, connections through the relay for HTTP
 * ones. A stdio server that has no room for one more session is tried until the time to connect is over, as nothing was
 * asked of it yet. Its sessions throw `handshake-timeout`, `server-exited`, `server-crowded`, `session-failed`,
 * `json-rpc-error` or `interrupted` with the end of the server's log, and what the engine throws; nothing is left running
 * then. What `auto` found out about a server goes into `memory`, and is tried first the next time.
 */
export function createSessionSource(memory?: Findings): SessionSource {
  return async (target, options = {}) => {
    const wanted = options.protocol ?? target.spec.mcp.protocol;
    const limitMs = options.connectTimeoutMs ?? target.spec.mcp.timeoutSeconds * 1000;
    const deadline = performance.now() + limitMs;
    const key = wanted === 'auto' ? memoryKey(target) : undefined;
    const ends = endMemory(target, memory);
    const tried: ProtocolChoice[] = [];
    let choice = await firstChoice(wanted, key, memory);
    let wasStuck = false;
    for (let waits = 0; ; ) {
      tried.push(choice);
      const parts = { limitMs, deadline, ends, openLink, looksHalfway: !wasStuck };
      const { session, error, stuck = false } = await attempt(target, options, choice, parts);
      // Once only: beside one that keeps meeting the limit, the kernel's count says nothing of this server.
      wasStuck ||= stuck;
      if (session !== undefined) {
        if (key !== undefined && (tried.length > 1 || choice === 'auto')) await memory?.remember(key, session.era);
        return session;
      }
      if (error.code === 'server-crowded') {
        const pauseMs = pauseAfter(waits);
        waits += 1;
        if (performance.now() + pauseMs + leastTryMs > deadline) throw error;
        await delay(pauseMs, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {
          throw new LoomsError('interrupted', `stopped waiting for room in ${target.spec.name}`, { cause: error });
        });
        continue;
      }
      const next = nextChoice(choice, wanted, error.code);
      if (next === undefined || tried.includes(next)) throw error;
      choice = next;
    }
  };
}

/** A try in less time would end as a timeout, and hide that there is no room, ms. */
const leastTryMs = 1_000;

/** How long to wait until a container that had no room is tried again, ms: longer each time, and not in step with others. */
const pauseAfter = (waits: number): number => Math.min(1_500, 200 * 2 ** waits) * (0.5 + Math.random());

/** Opens a session of its own, and remembers nothing. */
export const openSession: SessionSource = createSessionSource();

async function attempt(
  target: SessionTarget,
  options: SessionOptions,
  protocol: ProtocolChoice,
  {
    limitMs,
    deadline,
    ends,
    openLink,
    looksHalfway,
  }: {
    readonly limitMs: number;
    readonly deadline: number;
    readonly ends: EndMemory;
    readonly openLink: LinkSource;
    readonly looksHalfway: boolean;
  },
): Promise<Attempt> {
  const { signal, answer } = options;
  const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
  const tooLate = AbortSignal.timeout(leftMs);
  const exact = createExactResults();
  const linkOptions: LinkOptions = {
    deadline,
    lifetimeMs: options.lifetimeMs ?? defaultLifetimeMs(target, limitMs, answer !== undefined),
    renews: options.renews ?? false,
    graceMs: options.graceMs ?? defaultGraceMs,
    signal: signal === undefined ? tooLate : AbortSignal.any([signal, tooLate]),
    onStray: options.onStray ?? (() => {}),
    onText: exact.heard,
    onConnected: options.onConnected ?? (() => {}),
  };

  const env = { ...traceVariables(target, options.within), ...target.env };
  const link = await openLink({ ...target, env }, linkOptions, { signal, limitMs });
  // Only now: what speaks MCP takes long to load, and the server starts meanwhile.
  const { converse } = await import('./converse.ts');
  return converse(target, { link, exact, ends }, options, protocol, {
    leftMs,
    limitMs,
    signal: linkOptions.signal,
    looksHalfway,
  });
}

/** What loom's trace libraries look for; the process of an HTTP server runs already. */
const traceVariables = ({ spec }: SessionTarget, within: TraceContext | undefined): Readonly<Record<string, string>> =>
  within === undefined || isHttp(spec) ? {} : { LOOM_TRACE_ID: idsOf(within).trace, LOOM_SPAN_ID: idsOf(within).span };

/** Bound of a session's process, ms: connecting, one call, what lies between, and the time that questions may take. */
const defaultLifetimeMs = (target: SessionTarget, limitMs: number, canAnswer: boolean): number =>
  limitMs + target.spec.limits.executionTimeoutSeconds * 1000 + lifetimeSlackMs + (canAnswer ? answerAllowanceMs : 0);
