import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerName } from '../model/ids.ts';
import type { createLoads, Limits } from './access/limits.ts';
import { failureText, statusOfFailure } from './call.ts';
import { bodyOf } from './messages/body.ts';
import { contradiction, missingOfEnvelope, unknownRevision } from './messages/envelope.ts';
import { errorText, isRequest, readClientMessage, revisionOf } from './messages/message.ts';
import {
  type ClientRequest,
  code,
  type HeaderFields,
  type Id,
  type Message,
  modernRevision,
} from './messages/protocol.ts';
import { createReply, type Reply, sendJson } from './messages/reply.ts';
import { createOldSse, noStream } from './sessions/old-sse.ts';
import type { Session } from './sessions/session.ts';
import type { SessionPlace, Sessions } from './sessions/sessions.ts';
import type { StreamIds } from './sessions/stream-ids.ts';
import type { Stateless } from './stateless/stateless.ts';

/** Where a request came in, and whose it is. */
export type Place = SessionPlace & {
  /** Absent: all servers as one. */
  readonly server: ServerName | undefined;
  /** What `WWW-Authenticate` says there. */
  readonly challenge: string;
};

/** A message of a client, which its request has the gateway hold, and which is under way until `done`. */
type TakenMessage = {
  readonly message: Message;
  readonly held: { readonly bytes: number; readonly letGo: () => void };
  readonly done: () => void;
};

/** What requests at the addresses of servers are answered with. */
type Answering = {
  readonly sessions: Sessions;
  readonly streamIds: StreamIds;
  readonly stateless: Stateless;
  readonly limits: Limits;
  readonly loadOf: ReturnType<typeof createLoads>;
  /** Longest body, bytes. */
  readonly mostBody: () => number;
  /** Says what somebody who runs the gateway should know; foreign text in it. */
  readonly log: (text: string) => void;
};

/** Answers requests to servers, of streamable HTTP and of the transport before it, once it is known whose they are. */
export type McpRequests = {
  readonly mcp: (request: IncomingMessage, response: ServerResponse, place: Place) => Promise<void>;
  readonly sse: (request: IncomingMessage, response: ServerResponse, place: Place) => Promise<void>;
  readonly replyTo: (response: ServerResponse, place: Pick<Place, 'challenge' | 'guard'>) => Reply;
};

export function createMcpRequests({
  sessions,
  streamIds,
  stateless,
  limits,
  loadOf,
  mostBody,
  log,
}: Answering): McpRequests {
  const oldSse = createOldSse(sessions);

  const replyTo = (response: ServerResponse, { challenge, guard }: Pick<Place, 'challenge' | 'guard'>): Reply =>
    createReply(response, { challenge, load: loadOf(guard.name, response) });
  /** The reply to a request of a session, whose stream its client can come back to. */
  const replyOf = (response: ServerResponse, { challenge, guard }: Place, session: Session, request: Id): Reply =>
    createReply(response, {
      ...{ challenge, load: loadOf(guard.name, response) },
      stream: { id: () => streamIds.of(session.id, request), isPrimed: session.takesEmptyEvents() },
    });

  const begin = async (
    message: ClientRequest,
    { response, ...place }: Place & { readonly response: ServerResponse },
  ): Promise<void> => {
    const session = sessions.open(place, message);
    if (session === undefined) {
      response.setHeader('retry-after', '1');
      const why = 'too many sessions are busy';
      return sendJson(response, 503, errorText(message.id, code.internal, why));
    }
    try {
      const text = await session.initialize(message);
      const isRefused = text.includes('"error"') && 'error' in JSON.parse(text);
      // Of a client that has left, nobody learns the id.
      if (isRefused || response.closed) await sessions.end(session);
      else response.setHeader('mcp-session-id', session.id);
      replyTo(response, place).answer(text);
    } catch (error) {
      await sessions.end(session);
      sendJson(response, statusOfFailure(error), failureText(message.id, error));
    }
  };

  /**
   * The message of a request, which is under way until `done`; undefined where that was answered: as there is none, or its
   * principal takes too much.
   */
  const messageOf = async (
    request: IncomingMessage,
    response: ServerResponse,
    { guard }: Place,
  ): Promise<TakenMessage | undefined> => {
    const load = loadOf(guard.name, response);
    const body = await bodyOf(request, mostBody(), load);
    if ('status' in body) {
      response.setHeader('connection', 'close');
      if (body.status === 413) sendJson(response, 413, errorText(null, code.invalidRequest, body.why));
      else refuseLoad(response, null);
      return;
    }
    const { text, bytes } = body;
    const message = readClientMessage(text);
    const held = { bytes, letGo: () => load.remove(bytes) };
    if (message === undefined) {
      sendJson(response, 400, errorText(null, code.parse, 'the body is no JSON-RPC message, or several'));
      return;
    }
    if (!isRequest(message)) return { message, held, done: () => {} };
    const taken = limits.take(guard.name, message.method === 'tools/call');
    if (taken.taken) return { message, held, done: taken.done };
    const { why, retryAfterSeconds } = taken;
    response.setHeader('retry-after', String(retryAfterSeconds));
    sendJson(response, 429, errorText(message.id, code.invalidRequest, why, { code: 'refused', retryAfterSeconds }));
    return undefined;
  };

  const post = async (request: IncomingMessage, response: ServerResponse, place: Place): Promise<void> => {
    const taken = await messageOf(request, response, place);
    if (taken === undefined) return;
    // It is over when it was answered, also with a question, or has ended; not because its client went away.
    response.once('finish', taken.done);
    await handOn(request, response, { ...place, message: taken.message }).finally(taken.done);
  };
  const handOn = async (
    request: IncomingMessage,
    response: ServerResponse,
    { message, ...place }: Place & { readonly message: Message },
  ): Promise<void> => {
    const isModern = header(request, 'mcp-protocol-version') === modernRevision;
    const revision = revisionOf(message) ?? (isModern ? modernRevision : undefined);
    if (revision !== undefined) return postStateless(request, response, { ...place, message, revision });
    if (message.method === 'initialize' && isRequest(message) && header(request, 'mcp-session-id') === undefined) {
      return begin(message, { ...place, response });
    }
    const session = await sessionOf(request, response, place, message.id ?? null);
    if (session === undefined) return;
    if (isRequest(message)) {
      const reply = replyOf(response, place, session, message.id);
      // Whoever names the stream first wants to see it begin, where it can be told of: in a session.
      if (/^\s*text\/event-stream/.test(header(request, 'accept') ?? '')) reply.begin();
      return session.request(message, reply);
    }
    // Not waited for: a server that reads nothing is no reason to hold its client's connection.
    session.take(message).catch((error: unknown) => log(`a message failed: ${String(error)}`));
    response.writeHead(202).end();
  };

  const handleSse = async (request: IncomingMessage, response: ServerResponse, place: Place): Promise<void> => {
    if (request.method === 'GET') {
      if (!oldSse.open(place, response, loadOf(place.guard.name, response)))
        sendJson(response, 503, JSON.stringify({ error: 'too many sessions are busy' }));
      return;
    }
    if (request.method !== 'POST') {
      response.setHeader('allow', 'GET, POST');
      return sendJson(response, 405, JSON.stringify({ error: 'method not allowed' }));
    }
    const taken = await messageOf(request, response, place);
    if (taken === undefined) return;
    const { message, held, done } = taken;
    // From here on its stream has it, as its own request is over at once.
    held.letGo();
    const id = new URL(request.url ?? '', 'http://localhost').searchParams.get('sessionId') ?? '';
    const posted = oldSse.take(place, id, message, held.bytes);
    if (posted.kind === 'unknown') sendJson(response, 404, noStream(message.id ?? null));
    else if (posted.kind === 'too-much') refuseLoad(response, message.id ?? null);
    else response.writeHead(202).end();
    await (posted.kind === 'taken' ? posted.over : Promise.resolve()).finally(done);
  };

  const postStateless = async (
    request: IncomingMessage,
    response: ServerResponse,
    { message, revision, ...place }: Place & { readonly message: Message; readonly revision: string },
  ): Promise<void> => {
    if (!isRequest(message)) return void response.writeHead(202).end();
    const missing = missingOfEnvelope(message);
    if (missing !== undefined) return sendJson(response, 400, errorText(message.id, code.invalidParams, missing));
    const headers = mcpHeaders(request);
    const wrong = contradiction(message, headers, revision);
    if (wrong !== undefined) return sendJson(response, 400, errorText(message.id, code.headerMismatch, wrong));
    const unknown = unknownRevision(message.id, revision);
    if (unknown !== undefined) return sendJson(response, 400, unknown);
    await stateless.request({ ...place, message, headers, revision }, replyTo(response, place));
  };

  const sessionOf = async (
    request: IncomingMessage,
    response: ServerResponse,
    place: Place,
    id: string | number | null,
  ): Promise<Session | undefined> => {
    const given = header(request, 'mcp-session-id');
    let session: Session | undefined;
    try {
      session = given === undefined ? undefined : await sessions.findOrBegin(given, place);
    } catch (error) {
      sendJson(response, statusOfFailure(error), failureText(id, error));
      return;
    }
    if (session === undefined) refuseSession(response, given, id);
    return session;
  };

  return {
    replyTo,
    sse: handleSse,
    async mcp(request, response, place) {
      const isModern = header(request, 'mcp-protocol-version') === modernRevision;
      if (request.method === 'POST') return post(request, response, place);
      if ((request.method !== 'GET' && request.method !== 'DELETE') || isModern) {
        response.setHeader('allow', isModern ? 'POST' : 'GET, POST, DELETE');
        return sendJson(response, 405, JSON.stringify({ error: 'method not allowed' }));
      }
      if (request.method === 'DELETE') {
        const given = header(request, 'mcp-session-id');
        const isEnded = given !== undefined && (await sessions.findAndEnd(given, place));
        return isEnded ? void response.writeHead(204).end() : refuseSession(response, given, null);
      }
      const session = await sessionOf(request, response, place, null);
      if (session === undefined) return;
      const last = header(request, 'last-event-id');
      const asked = last === undefined ? undefined : streamIds.requestIn(session.id, last);
      if (asked === undefined) return session.listen(replyTo(response, place));
      return session.resume(asked, replyOf(response, place, session, asked));
    },
  };
}

/** Answers a request that named no session, or one that is none here. */
function refuseSession(response: ServerResponse, given: string | undefined, id: Id | null): void {
  const [status, why] =
    given === undefined
      ? [400, 'no Mcp-Session-Id: begin with initialize']
      : [404, 'this session is over: begin with initialize'];
  sendJson(response, status, errorText(id, code.invalidRequest, why));
}

function refuseLoad(response: ServerResponse, id: Id | null): void {
  const why = 'too much of what you sent is not answered yet, or of the answers not read';
  response.setHeader('retry-after', '1');
  sendJson(response, 429, errorText(id, code.invalidRequest, why));
}

export const header = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
};

/** What an HTTP server of the stateless revisions is to have of a client's headers; never who the client is. */
function mcpHeaders({ headers }: IncomingMessage): HeaderFields {
  const own: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (name.startsWith('mcp-') && isPassedOn.test(name) && typeof value === 'string') own[name] = value;
  }
  return own;
}

const isPassedOn = /^mcp-(protocol-version|method|name|param-.+)$/;
