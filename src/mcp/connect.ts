import { performance } from 'node:perf_hooks';
import { type Client, SdkError, SdkErrorCode } from '@modelcontextprotocol/client';
import type { ProtocolChoice } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import { createCallClocks } from './call-clock.ts';
import { createClient } from './client.ts';
import { circumstancesOf, createSession } from './client-session.ts';
import type { Connection, ConnectionOptions } from './connection.ts';
import { connectHttp } from './http-connection.ts';
import { answerAllowanceMs, answerQuestions, assumeComplete, createObserver } from './server-requests.ts';
import type { Session, SessionOptions, SessionSource, SessionTarget, VerdictMemory } from './session.ts';
import { explain } from './session-errors.ts';
import { connectStdio } from './stdio-connection.ts';
import { firstChoice, nextChoice, verdictKey } from './verdicts.ts';

/** How long a server may take to end by itself when its session is closed, ms. */
const defaultGraceMs = 1_000;
/** Added to a session's life for whatever lies between its calls, ms. */
const lifetimeSlackMs = 60_000;

/**
 * A source of sessions that opens each one itself: one exec for stdio servers, connections through the relay for HTTP
 * ones. Its sessions throw `handshake-timeout`, `server-exited`, `session-failed`, `json-rpc-error` or `interrupted` with
 * the end of the server's log, and what the engine throws; nothing is left running then. What `auto` found out about a
 * server goes into `memory`, and is tried first the next time.
 */
export const createSessionSource =
  (memory?: VerdictMemory): SessionSource =>
  async (target, options = {}) => {
    const wanted = options.protocol ?? target.spec.mcp.protocol;
    const limitMs = options.connectTimeoutMs ?? target.spec.mcp.timeoutSeconds * 1000;
    const deadline = performance.now() + limitMs;
    const key = wanted === 'auto' ? verdictKey(target) : undefined;
    const tried: ProtocolChoice[] = [];
    let choice = await firstChoice(wanted, key, memory);
    for (;;) {
      tried.push(choice);
      const { session, error } = await attempt(target, options, choice, limitMs, deadline);
      if (session !== undefined) {
        if (key !== undefined && (tried.length > 1 || choice === 'auto')) await memory?.remember(key, session.era);
        return session;
      }
      const next = nextChoice(choice, wanted, error.code);
      if (next === undefined || tried.includes(next)) throw error;
      choice = next;
    }
  };

/** Opens a session of its own, and remembers nothing. */
export const openSession: SessionSource = createSessionSource();

type Attempt =
  | { readonly session: Session; readonly error?: never }
  | { readonly session?: never; readonly error: LoomsError };

async function attempt(
  target: SessionTarget,
  options: SessionOptions,
  protocol: ProtocolChoice,
  limitMs: number,
  deadline: number,
): Promise<Attempt> {
  const { signal, answer } = options;
  const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
  const tooLate = AbortSignal.timeout(leftMs);
  const connectionOptions: ConnectionOptions = {
    deadline,
    lifetimeMs: options.lifetimeMs ?? defaultLifetimeMs(target, limitMs, answer !== undefined),
    graceMs: options.graceMs ?? defaultGraceMs,
    signal: signal === undefined ? tooLate : AbortSignal.any([signal, tooLate]),
    onStray: options.onStray ?? (() => {}),
    onConnected: options.onConnected ?? (() => {}),
  };

  const connection = await connect(target, connectionOptions, signal, limitMs);
  const clocks = createCallClocks();
  // Silence means an older server on a pipe, for which time must be left; elsewhere it means nothing but slowness.
  const probeTimeoutMs = protocol === 'auto' && !connection.isHttp ? Math.max(1, Math.floor(leftMs / 3)) : leftMs;
  const client = createClient(protocol, { probeTimeoutMs, canAnswer: answer !== undefined });
  const observe = createObserver(options);
  // The client takes the transport over, and hands every message on to whoever listened before.
  connection.transport.onmessage = (message) => {
    if (client.getProtocolEra() === 'modern') assumeComplete(message);
    observe(message);
  };
  if (answer !== undefined) answerQuestions(client, target.spec.name, answer, clocks);
  try {
    await handshake(client, connection, leftMs, connectionOptions.signal);
    return { session: createSession(target, client, connection, { listTimeoutMs: limitMs, clocks, hooks: options }) };
  } catch (error) {
    try {
      return { error: explain(error, await circumstancesOf(target, connection, 'handshake', { limitMs, signal })) };
    } finally {
      await connection.close();
    }
  }
}

/** Bound of a session's process, ms: connecting, one call, what lies between, and the time that questions may take. */
const defaultLifetimeMs = (target: SessionTarget, limitMs: number, canAnswer: boolean): number =>
  limitMs + target.spec.limits.executionTimeoutSeconds * 1000 + lifetimeSlackMs + (canAnswer ? answerAllowanceMs : 0);

async function connect(
  target: SessionTarget,
  options: ConnectionOptions,
  signal: AbortSignal | undefined,
  limitMs: number,
): Promise<Connection> {
  const { transport } = target.spec.mcp;
  if (transport.kind !== 'stdio') return connectHttp(target, transport, options);
  try {
    return await connectStdio(target, options);
  } catch (error) {
    if (!options.signal.aborted) throw error;
    const interrupted = signal?.aborted === true;
    throw new LoomsError(
      interrupted ? 'interrupted' : 'handshake-timeout',
      interrupted
        ? `stopped connecting to ${target.spec.name}`
        : `the engine did not start a session of ${target.spec.name} within ${limitMs / 1000} s`,
      { cause: error },
    );
  }
}

/** The SDK's own timeouts bound single requests; this bounds the whole, also where a transport only waits. */
async function handshake(client: Client, connection: Connection, ms: number, signal: AbortSignal): Promise<void> {
  const connecting = client.connect(connection.transport, { timeout: ms, signal });
  connecting.catch(() => {}); // Told below, unless the bound came first.
  await new Promise<void>((resolve, reject) => {
    const giveUp = () => reject(new SdkError(SdkErrorCode.RequestTimeout, 'the handshake took too long'));
    // A moment later than the request's own timeout, which says more.
    const timer = setTimeout(giveUp, ms + 100);
    signal.addEventListener('abort', () => setTimeout(giveUp, 100), { once: true });
    connecting.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
