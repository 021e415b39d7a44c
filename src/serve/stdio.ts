import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { createLineSplitter } from '../mcp/link/line-splitter.ts';
import { maxFrameBytes } from '../mcp/link/link.ts';
import { messageOf } from '../model/failure.ts';
import type { ServerName } from '../model/ids.ts';
import { type JoinedNames, usualNames } from '../model/serve-settings.ts';
import { createGuards, ownGrant } from './access/guard.ts';
import { allServers } from './aggregate.ts';
import { failureText } from './call.ts';
import { oneServer } from './face.ts';
import type { GatewayOptions } from './gateway.ts';
import { followServing } from './leg/follow.ts';
import type { LegHooks } from './leg/leg.ts';
import { missingOfEnvelope, unknownRevision } from './messages/envelope.ts';
import { errorText, isRequest, paramsOf, readClientMessage, revisionOf } from './messages/message.ts';
import { type ClientRequest, code, type Message } from './messages/protocol.ts';
import { type Reply, replyTo } from './messages/reply.ts';
import { createSeal } from './sessions/seal.ts';
import { createSession } from './sessions/session.ts';
import { createSessions } from './sessions/sessions.ts';
import { createBridge } from './stateless/bridge.ts';
import { createStateless } from './stateless/stateless.ts';
import type { Upstreams } from './upstreams.ts';

/** A process of the stateless revisions is kept until the client goes. */
const neverIdleMs = Number.POSITIVE_INFINITY;

/** One client has one session, and one more for what it asks without one. */
const bounds = { idleMs: neverIdleMs, most: 8, mostEach: 8 };

type StdioOptions = Pick<GatewayOptions, 'version' | 'log' | 'guarding'> & {
  /** Absent: all servers as one. */
  readonly server: ServerName | undefined;
  /** How tools are called where all servers are one. */
  readonly names?: JoinedNames;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly signal: AbortSignal;
};

/**
 * Serves one client that speaks MCP over these streams, with all that the gateway promises, until its input ends or the
 * signal aborts. Resolves when no process is left.
 */
export async function serveStdio(
  upstreams: Upstreams,
  { server, stdin, stdout, signal, names = usualNames, guarding = {}, version, log }: StdioOptions,
): Promise<void> {
  stdout.on('error', () => {}); // Its reader is gone, as its input will say.
  const write = (text: string): boolean => stdout.write(`${text.replace(/[\r\n]+/g, ' ')}\n`) || true;
  const replyLines = (): Reply => replyTo({ tell: write, answer: write });
  const faceOf = (heard: LegHooks) =>
    server === undefined
      ? allServers(upstreams, heard, { version, log, guard, names })
      : oneServer(server, upstreams, heard);
  const guard = createGuards(guarding)(ownGrant);
  const place = { principal: guard.key, guard, path: '', faceOf };
  const session = createSession({ id: 'stdio', ...place }, upstreams, faceOf);
  session.listen(replyLines());
  const seal = createSeal(randomBytes(32), 'stdio');
  const sessions = createSessions(upstreams, bounds, seal);
  const stateless = createStateless(upstreams, {
    idleMs: neverIdleMs,
    bridge: createBridge(sessions, seal),
    version,
    log,
    names,
  });
  const leaving = new Map<string | number, () => void>();
  const legs = () => [session, ...sessions.all()].flatMap((one) => one.legs()).concat(stateless.legs());
  const following = followServing(upstreams, legs, () => {}, {
    isThere: () => server === undefined,
    serverChanged(one) {
      for (const each of [session, ...sessions.all()]) each.serverChanged?.(one);
      stateless.listeners.serverChanged(one);
    },
  });

  const begin = async (message: ClientRequest): Promise<void> => {
    try {
      write(await session.initialize(message));
    } catch (error) {
      write(failureText(message.id, error));
    }
  };
  const askStateless = async (message: ClientRequest, revision: string): Promise<void> => {
    const wrong = missingOfEnvelope(message);
    if (wrong !== undefined) return void write(errorText(message.id, code.invalidParams, wrong));
    const unknown = unknownRevision(message.id, revision);
    if (unknown !== undefined) return void write(unknown);
    let isOpen = true;
    const reply = replyTo({ tell: write, answer: write, isOpen: () => isOpen });
    leaving.set(message.id, () => {
      isOpen = false;
      reply.onleft?.();
    });
    await stateless.request({ server, message, revision, ...place }, reply);
    leaving.delete(message.id);
  };
  const take = async (line: string): Promise<void> => {
    const message = readClientMessage(line);
    if (message === undefined) return void write(errorText(null, code.parse, 'the line is no JSON-RPC message'));
    const revision = revisionOf(message);
    if (isRequest(message)) {
      if (revision !== undefined) return askStateless(message, revision);
      return message.method === 'initialize' ? begin(message) : session.request(message, replyLines());
    }
    if (message.method === 'notifications/cancelled' && cancelStateless(message, leaving)) return;
    await session.take(message);
  };

  const takeLine = (line: Buffer): void => {
    const text = line.toString('utf8');
    // One that waits holds up none that comes after it.
    if (text.trim() !== '') take(text).catch((error: unknown) => log(`a message failed: ${String(error)}`));
  };
  const ended = await readLines(stdin, takeLine, signal);
  if (ended.kind === 'broken') log(`the input broke: ${messageOf(ended.error)}`);
  if (ended.kind === 'too-long') {
    write(errorText(null, code.parse, `a line of more than ${maxFrameBytes} bytes: nothing more is read`));
  }
  following.stop();
  await Promise.all([session.close(), sessions.close(), stateless.close()]);
}

/** How an input came to its end. */
type InputEnd =
  | { readonly kind: 'over' }
  | { readonly kind: 'broken'; readonly error: unknown }
  /** A line grew beyond `maxFrameBytes`: where the next one begins is not known. */
  | { readonly kind: 'too-long' };

/**
 * Hands on each line of an input until that ends or the signal aborts. Lines end with LF and nothing else, as MCP has it:
 * `node:readline` also cuts at U+2028 and U+2029, which texts in JSON may hold as they are.
 */
const readLines = (input: Readable, onLine: (line: Buffer) => void, signal: AbortSignal): Promise<InputEnd> =>
  new Promise((resolve) => {
    const splitter = createLineSplitter(maxFrameBytes);
    const end = (how: InputEnd): void => {
      input.off('data', hear).pause();
      resolve(how);
    };
    const hear = (chunk: Buffer): void => {
      const { lines, overflow } = splitter.push(chunk);
      for (const line of lines) onLine(line);
      if (overflow) end({ kind: 'too-long' });
    };
    const over = (): void => end({ kind: 'over' });
    signal.addEventListener('abort', over, { once: true });
    if (signal.aborted) return over();
    input.on('error', (error) => end({ kind: 'broken', error }));
    input.on('end', () => {
      onLine(splitter.rest());
      over();
    });
    input.on('close', over).on('data', hear);
  });

/** On one stream a client says what it gives up, where over HTTP it leaves. */
function cancelStateless(message: Message, leaving: ReadonlyMap<string | number, () => void>): boolean {
  const { requestId } = paramsOf(message);
  const leave = typeof requestId === 'string' || typeof requestId === 'number' ? leaving.get(requestId) : undefined;
  leave?.();
  return leave !== undefined;
}
