import { performance } from 'node:perf_hooks';
import { type Client, SdkError, SdkErrorCode } from '@modelcontextprotocol/client';
import type { ProtocolChoice } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import { circumstancesOf, createClient, createSession } from './client-session.ts';
import type { Connection, ConnectionOptions } from './connection.ts';
import { connectHttp } from './http-connection.ts';
import type { Session, SessionOptions, SessionSource, SessionTarget } from './session.ts';
import { explain } from './session-errors.ts';
import { connectStdio } from './stdio-connection.ts';

/** How long a server may take to end by itself when its session is closed, ms. */
const defaultGraceMs = 1_000;
/** Added to a session's life for whatever lies between its calls, ms. */
const lifetimeSlackMs = 60_000;

/**
 * Opens a session of its own: one exec for stdio servers, connections through the relay for HTTP ones. Throws
 * `handshake-timeout`, `server-exited`, `session-failed`, `json-rpc-error` or `interrupted` with the end of the server's
 * log, and what the engine throws; nothing is left running then.
 */
export const openSession: SessionSource = async (target, options = {}) => {
  const choice = options.protocol ?? target.spec.mcp.protocol;
  const limitMs = options.connectTimeoutMs ?? target.spec.mcp.timeoutSeconds * 1000;
  const deadline = performance.now() + limitMs;
  const first = await attempt(target, options, choice, limitMs, deadline);
  if (first.session !== undefined) return first.session;
  // Some servers exit on any request before `initialize` (facts.md): the probe was the fault, not the server.
  if (choice === 'auto' && first.error.code === 'server-exited') {
    const second = await attempt(target, options, 'legacy', limitMs, deadline);
    if (second.session !== undefined) return second.session;
    throw second.error;
  }
  throw first.error;
};

type Attempt = { readonly session: Session } | { readonly session?: never; readonly error: LoomsError };

async function attempt(
  target: SessionTarget,
  options: SessionOptions,
  protocol: ProtocolChoice,
  limitMs: number,
  deadline: number,
): Promise<Attempt> {
  const { signal } = options;
  const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
  const tooLate = AbortSignal.timeout(leftMs);
  const connectionOptions: ConnectionOptions = {
    deadline,
    lifetimeMs: options.lifetimeMs ?? limitMs + target.spec.limits.executionTimeoutSeconds * 1000 + lifetimeSlackMs,
    graceMs: options.graceMs ?? defaultGraceMs,
    signal: signal === undefined ? tooLate : AbortSignal.any([signal, tooLate]),
    onStray: options.onStray ?? (() => {}),
    onConnected: options.onConnected ?? (() => {}),
  };

  const connection = await connect(target, connectionOptions, signal, limitMs);
  const client = createClient(protocol, Math.max(1, Math.floor(leftMs / 3)));
  try {
    await handshake(client, connection, leftMs, connectionOptions.signal);
    return { session: createSession(target, client, connection, limitMs) };
  } catch (error) {
    try {
      return { error: explain(error, await circumstancesOf(target, connection, 'handshake', { limitMs, signal })) };
    } finally {
      await connection.close();
    }
  }
}

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
