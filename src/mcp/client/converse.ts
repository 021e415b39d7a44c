import { Client, type JsonSchemaValidator, SdkError, SdkErrorCode } from '@modelcontextprotocol/client';
import type { ProtocolChoice } from '../../model/desired.ts';
import type { LoomsError } from '../../model/errors.ts';
import type { HttpLink, StdioLink } from '../link/link.ts';
import { replaceUnusable } from './answers/unusable-answers.ts';
import { createCallClocks } from './call-clock.ts';
import { createHooksInUse } from './call-hooks.ts';
import { circumstancesOf, createSession, type SessionParts } from './client-session.ts';
import { type Connection, connectionOver } from './connection.ts';
import { answerQuestions, assumeComplete, createObserver } from './server-requests.ts';
import type { Session, SessionOptions, SessionTarget } from './session.ts';
import { explain } from './session-errors.ts';

/** A session, or why there is none; `stuck`: since the server was refused a process, and hung. */
export type Attempt =
  | { readonly session: Session; readonly error?: never; readonly stuck?: never }
  | { readonly session?: never; readonly error: LoomsError; readonly stuck?: boolean };

/**
 * Bounds of a handshake: what is left of the connect bound, the whole of it (ms), what ends it early, and whether it is
 * looked at once half of the time is over.
 */
type HandshakeBounds = {
  readonly leftMs: number;
  readonly limitMs: number;
  readonly signal: AbortSignal;
  readonly looksHalfway: boolean;
};

/** The handshake of the era asked for, and the session after it. A failure is returned, with the link closed. */
export async function converse(
  target: SessionTarget,
  { link, exact, ends }: Pick<SessionParts, 'exact' | 'ends'> & { readonly link: StdioLink | HttpLink },
  options: SessionOptions,
  protocol: ProtocolChoice,
  { leftMs, limitMs, signal, looksHalfway }: HandshakeBounds,
): Promise<Attempt> {
  const { answer } = options;
  const connection = connectionOver(link);
  const clocks = createCallClocks(() => new SdkError(SdkErrorCode.RequestTimeout, 'the call took too long'));
  // Silence means an older server on a pipe, for which time must be left; elsewhere it means nothing but slowness.
  const probeTimeoutMs = protocol === 'auto' && !connection.isHttp ? Math.max(1, Math.floor(leftMs / 3)) : leftMs;
  const client = createClient(protocol, { probeTimeoutMs, canAnswer: answer !== undefined });
  const hooksInUse = createHooksInUse();
  const observe = createObserver(options, hooksInUse);
  const { transport } = connection;
  const send = transport.send.bind(transport);
  let wasAsked = false;
  transport.send = (message, how) => {
    hooksInUse.sending(message);
    const sent = send(exact.sending(message), how);
    if (!wasAsked) options.onAsked?.();
    wasAsked = true;
    return sent;
  };
  // The client takes the transport over, and hands every message on to whoever listened before.
  transport.onmessage = (message) => {
    hooksInUse.heard(message);
    replaceUnusable(message);
    if (client.getProtocolEra() === 'modern') assumeComplete(message);
    observe(message);
  };
  if (answer !== undefined) answerQuestions(client, target.spec.name, { answer, clocks, hooksInUse });
  /** Sessions beside which a server hangs that the kernel refused a process or a thread while it started. */
  let stuckBeside = 0;
  const isStuck = async (): Promise<boolean> => {
    const beside = looksHalfway ? (connection.beside?.() ?? 0) : 0;
    if (beside > 0 && (await connection.wasRefused?.())) stuckBeside = beside;
    return stuckBeside > 0;
  };
  try {
    await handshake(client, connection, { ms: leftMs, signal, isStuck });
    const parts = { listTimeoutMs: limitMs, clocks, exact, ends, hooks: options, hooksInUse };
    return { session: createSession(target, client, connection, parts) };
  } catch (error) {
    try {
      return {
        stuck: stuckBeside > 0,
        error: explain(
          error,
          await circumstancesOf(target, connection, 'handshake', { limitMs, signal: options.signal, stuckBeside }),
        ),
      };
    } finally {
      await connection.close();
    }
  }
}

/**
 * The SDK's own timeouts bound single requests; this bounds the whole, also where a transport only waits. A server that was
 * refused a thread may hang instead of ending (seen of Node in a full container): once half of the time is over, that is
 * asked, and leaves the other half for a new one.
 */
async function handshake(
  client: Client,
  connection: Connection,
  {
    ms,
    signal,
    isStuck,
  }: { readonly ms: number; readonly signal: AbortSignal; readonly isStuck: () => Promise<boolean> },
): Promise<void> {
  const connecting = client.connect(connection.transport, { timeout: ms, signal });
  connecting.catch(() => {}); // Told below, unless the bound came first.
  await new Promise<void>((resolve, reject) => {
    const giveUp = () => reject(new SdkError(SdkErrorCode.RequestTimeout, 'the handshake took too long'));
    // A moment later than the request's own timeout, which says more.
    const timer = setTimeout(giveUp, ms + 100);
    const halfway = setTimeout(async () => {
      if (await isStuck().catch(() => false)) giveUp();
    }, ms / 2);
    const onAbort = () => setTimeout(giveUp, 100);
    signal.addEventListener('abort', onAbort, { once: true });
    connecting.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      clearTimeout(halfway);
      signal.removeEventListener('abort', onAbort);
    });
  });
}

/** How we introduce ourselves; the version is the package's (a test compares them). */
export const clientInfo = { name: 'looms', version: '0.1.0' };

/**
 * A client that answers ping, and questions when `canAnswer`; sampling and roots are refused with "method not found",
 * questions in URL mode with "invalid params". Output schemas are not compiled: a broken one, or a remote `$ref`, must
 * not stop a call. `probeTimeoutMs` bounds the probe of a choice that needs one.
 */
function createClient(
  protocol: ProtocolChoice,
  { probeTimeoutMs, canAnswer }: { readonly probeTimeoutMs: number; readonly canAnswer: boolean },
): Client {
  const client = new Client(clientInfo, {
    capabilities: canAnswer ? { elicitation: { form: {} } } : {},
    jsonSchemaValidator: {
      getValidator:
        <T>(): JsonSchemaValidator<T> =>
        (input: unknown) => ({ valid: true, data: input as T, errorMessage: undefined }),
    },
    versionNegotiation: {
      mode: protocol === '2026-07-28' ? { pin: protocol } : protocol,
      probe: { timeoutMs: probeTimeoutMs },
    },
  });
  // Out-of-band reports (a second answer to one request, a notification nobody asked for): not errors of a session. What
  // matters also fails the request it belongs to.
  client.onerror = () => {};
  return client;
}
