import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { asServerName, namePattern, type ServerName } from '../model/ids.ts';
import { type OidcSettings, type ServeSettings, usualServe } from '../model/serve-settings.ts';
import { type Access, accessOf, type Door, misdirected } from './access/access.ts';
import { createGuards, type Guarding, nameIn, within } from './access/guard.ts';
import { createLimits, createLoads } from './access/limits.ts';
import { metadataAt, metadataUrl, scopeOf } from './access/metadata.ts';
import { allServers } from './aggregate.ts';
import { failureText, statusOfFailure } from './call.ts';
import { type Face, oneServer } from './face.ts';
import { type Followed, followServing } from './leg/follow.ts';
import type { LegHooks } from './leg/leg.ts';
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
import { createMetrics, measured } from './metrics.ts';
import { createAsk } from './page/ask.ts';
import type { Assets } from './page/assets.ts';
import { createPage } from './page/page.ts';
import type { PageSource } from './page/source.ts';
import { createOldSse, noStream } from './sessions/old-sse.ts';
import type { Seal } from './sessions/seal.ts';
import type { Session } from './sessions/session.ts';
import { createSessions, type Ended, type SessionBounds, type SessionPlace } from './sessions/sessions.ts';
import { createBridge } from './stateless/bridge.ts';
import { createStateless } from './stateless/stateless.ts';
import {
  healthAnswer,
  type LoopStatus,
  type Measured,
  metricsAnswer,
  readyAnswer,
  type StatusAnswer,
} from './status.ts';
import type { Upstreams } from './upstreams.ts';

/** Longest body of a client where nothing else is said, MiB. */
const usualBodyMiB = 8;
/** How long a client may take to send its request, ms. */
const bodyMs = 60_000;
/** The same for its head, ms: until then it is nobody's, and costs a connection. */
const headMs = 10_000;
/** Connections over TCP at once: what anybody opens there takes nothing from the socket, nor from the way to the engine. */
const mostConnections = 4_000;
/** How often it is looked whether they took longer, ms; Node's own half a minute would be added to both. */
const checkMs = 1_000;

export type GatewayOptions = {
  /** Of the loop that runs in the same program, where one does. */
  readonly loop?: LoopStatus | undefined;
  /** What servers take. */
  readonly measured?: Measured;
  /** What else is open with servers. */
  readonly kept?: () => readonly Followed[];
  readonly bounds: SessionBounds;
  /** What ids of sessions, and of calls that wait for an answer, are closed with. */
  readonly seal: Seal;
  /** Sessions that are over, for the gateways that come after this one; absent: none is noted down. */
  readonly ended?: Ended;
  /** Whether clients of the old HTTP+SSE transport are served too, at /sse. */
  readonly sse?: boolean;
  /** Of the project's `looms.yaml`; limits and issuer are looked at with each request. */
  readonly settings?: Pick<ServeSettings, 'aggregate' | 'limits' | 'publicUrl'> & {
    readonly oidc?: OidcSettings | undefined;
  };
  /** What each request is held against, whoever it is of. */
  readonly guarding?: Guarding;
  /** What its page shows and does, and the files of it; absent: it has none. */
  readonly page?: { readonly source: PageSource; readonly assets: Assets } | undefined;
  /** Where it listens on TCP, for a browser; undefined where it does not. */
  readonly url?: () => string | undefined;
  /** Of looms, for clients that ask. */
  readonly version: string;
  /** Says what somebody who runs it should know; foreign text in it. */
  readonly log: (text: string) => void;
};

export type Gateway = {
  /** A server of HTTP for one way in, not listening yet. */
  readonly serverFor: (door: Door) => Server;
  /** How many sessions are open. */
  readonly sessions: () => number;
  /** Ends all sessions and the processes behind them. */
  readonly close: () => Promise<void>;
};

/** The gateway of one project. It starts and stops no container; what it talks to comes from `upstreams`. */
export function createGateway(
  given: Upstreams,
  {
    bounds,
    seal,
    sse = false,
    settings = usualServe,
    guarding = {},
    version,
    log,
    kept,
    ended,
    loop,
    measured: families = async () => [],
    page: shown,
    url = () => undefined,
  }: GatewayOptions,
): Gateway {
  const metrics = createMetrics();
  const upstreams = measured(given, metrics);
  const sessions = createSessions(upstreams, bounds, seal, ended);
  const bridge = createBridge(sessions, seal);
  const stateless = createStateless(upstreams, {
    idleMs: bounds.idleMs,
    bridge,
    version,
    log,
    names: settings.aggregate,
  });
  const oldSse = createOldSse(sessions);
  const servers = new Set<Server>();
  const guardOf = createGuards(guarding);
  const limits = createLimits(settings);
  const mostBody = (): number => (settings.limits.bodyMiB ?? usualBodyMiB) * 1024 * 1024;
  const loadOf = createLoads();

  const sessionsOf = (server: ServerName): readonly { principal: string; count: number }[] => {
    const those = sessions.all().filter((session) => session.legs().some((leg) => leg.server === server));
    const byName = Map.groupBy(those, ({ principal }) => nameIn(principal));
    return [...byName].map(([principal, { length: count }]) => ({ principal, count }));
  };
  const page =
    shown &&
    createPage({
      ...shown,
      ask: createAsk({ stateless, upstreams, guardOf, limits, version }),
      sessionsOf,
      loadOf,
      mostBody,
      url,
      log,
    });

  const stopFollowing = followServing(
    upstreams,
    () => [...sessions.all().flatMap((session) => session.legs()), ...stateless.legs(), ...(kept?.() ?? [])],
    () => {
      sessions.sweep();
      stateless.sweep();
      bridge.sweep();
    },
  );

  const replyTo = (response: ServerResponse, { challenge, guard }: Pick<Place, 'challenge' | 'guard'>): Reply =>
    createReply(response, { challenge, load: loadOf(guard.name, response) });

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
      if (text.includes('"error"') && 'error' in JSON.parse(text)) await sessions.end(session);
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
      const reply = replyTo(response, place);
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
    if (given === undefined) {
      sendJson(response, 400, errorText(id, code.invalidRequest, 'no Mcp-Session-Id: begin with initialize'));
    } else if (session === undefined) {
      sendJson(response, 404, errorText(id, code.invalidRequest, 'this session is over: begin with initialize'));
    }
    return session;
  };

  /** What the gateway says of itself at an address of its own; undefined at another one. */
  const ownState = async (path: string): Promise<StatusAnswer | undefined> => {
    if (path === '/healthz') return healthAnswer(loop, { sessions: sessions.all().length });
    if (path === '/readyz') return readyAnswer(loop, await upstreams.engineAnswers());
    if (path !== '/metrics') return undefined;
    const [engineUp, taken] = await Promise.all([upstreams.engineAnswers(), families()]);
    const more = [...taken, ...(loop?.families() ?? [])];
    return metricsAnswer(metrics.text({ version, sessions: sessions.all().length, engineUp }, more));
  };

  const handle = async (request: IncomingMessage, response: ServerResponse, door: Door): Promise<void> => {
    const wrong = misdirected(door, request.headers);
    if (wrong !== undefined) return sendJson(response, 403, errorText(null, code.invalidRequest, wrong));
    if (await page?.handle(request, response, door)) return;
    const path = (request.url ?? '').split('?')[0] ?? '';
    const base = (settings.publicUrl ?? `http://${header(request, 'host') ?? ''}`).replace(/\/$/, '');
    const metadata = settings.oidc && metadataAt(path, base, settings.oidc);
    if (metadata !== undefined) return sendJson(response, 200, metadata);
    // Who has to find out where tokens come from finds it here (RFC 9728, 5.1).
    const challenge = settings.oidc
      ? `Bearer realm="looms", resource_metadata="${metadataUrl(base, path)}"`
      : 'Bearer realm="looms"';
    const access = await accessOf(door, request.headers);
    if (!access.granted) return turnAway(response, access, `${challenge}, scope="${scopeOf(path)}"`);
    const guard = guardOf(access.grant);
    const refuse = (what: string, scope: string): void => {
      const why = `${guard.name} may not use ${what}`;
      replyTo(response, { challenge, guard }).answer(errorText(null, code.invalidRequest, why), 403, [scope]);
    };
    if (path === '/metrics' && !guard.seesMetrics) return refuse('looms:metrics', 'looms:metrics');
    const own = await ownState(path);
    if (own !== undefined) return tell(response, own);
    const [, kind, name] = /^\/(mcp|sse)(?:\/([^/]+))?$/.exec(path) ?? [];
    if (kind === undefined || (kind === 'sse' && !sse) || (name !== undefined && !namePattern.test(name))) {
      return sendJson(
        response,
        404,
        JSON.stringify({ error: 'not found; servers are at /mcp/NAME, all of them at /mcp' }),
      );
    }
    const server = name === undefined ? undefined : asServerName(name);
    if (server !== undefined && !guard.reaches(server)) return refuse(server, `${server}:*`);
    const { aggregate: names } = settings;
    const faceOf = (heard: LegHooks): Face =>
      server === undefined
        ? allServers(within(upstreams, guard), heard, { version, log, guard, names })
        : oneServer(server, upstreams, heard);
    const place = { principal: guard.key, guard, path, server, faceOf, challenge };
    if (kind === 'sse') return handleSse(request, response, place);
    const isModern = header(request, 'mcp-protocol-version') === modernRevision;
    if (request.method === 'POST') return post(request, response, place);
    if ((request.method !== 'GET' && request.method !== 'DELETE') || isModern) {
      response.setHeader('allow', isModern ? 'POST' : 'GET, POST, DELETE');
      return sendJson(response, 405, JSON.stringify({ error: 'method not allowed' }));
    }
    const session = await sessionOf(request, response, place, null);
    if (session === undefined) return;
    if (request.method === 'GET') return session.listen(replyTo(response, place));
    await sessions.end(session);
    response.writeHead(204).end();
  };

  return {
    serverFor(door) {
      const times = { requestTimeout: bodyMs, headersTimeout: headMs, connectionsCheckingInterval: checkMs };
      const server = createServer(times, (request, response) => {
        handle(request, response, door).catch((error: unknown) => {
          // A client that went away while its body was read has nobody to tell.
          if (request.destroyed && !request.complete) return;
          log(`a request failed: ${String(error)}`);
          if (response.headersSent) response.destroy();
          else sendJson(response, 500, failureText(null, error));
        });
      });
      if (door.kind === 'tcp') server.maxConnections = mostConnections;
      servers.add(server);
      return server;
    },
    sessions: () => sessions.all().length,
    async close() {
      stopFollowing();
      page?.close();
      const closed = [...servers].map((server) => new Promise((resolve) => server.close(resolve)));
      await Promise.all([sessions.close(), stateless.close()]);
      for (const server of servers) server.closeAllConnections();
      await Promise.all(closed);
    },
  };
}

/** Where a request came in, and whose it is. */
type Place = SessionPlace & {
  /** Absent: all servers as one. */
  readonly server: ReturnType<typeof asServerName> | undefined;
  /** What `WWW-Authenticate` says there. */
  readonly challenge: string;
};

/** A message of a client, which its request has the gateway hold, and which is under way until `done`. */
type TakenMessage = {
  readonly message: Message;
  readonly held: { readonly bytes: number; readonly letGo: () => void };
  readonly done: () => void;
};

const tell = (response: ServerResponse, { status, type, text }: StatusAnswer): void =>
  void response.writeHead(status, { 'content-type': type }).end(text);

function refuseLoad(response: ServerResponse, id: Id | null): void {
  const why = 'too much of what you sent is not answered yet, or of the answers not read';
  response.setHeader('retry-after', '1');
  sendJson(response, 429, errorText(id, code.invalidRequest, why));
}

function turnAway(
  response: ServerResponse,
  { status, why, error }: Extract<Access, { granted: false }>,
  challenge: string,
): void {
  if (status === 401) {
    response.setHeader('www-authenticate', error === undefined ? challenge : `${challenge}, error="${error}"`);
  }
  if (status === 503) response.setHeader('retry-after', '5');
  sendJson(response, status, errorText(null, code.invalidRequest, why));
}

const header = (request: IncomingMessage, name: string): string | undefined => {
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
