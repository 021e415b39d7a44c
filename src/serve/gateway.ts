import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { asServerName, namePattern, type ServerName } from '../model/ids.ts';
import { type OidcSettings, type ServeSettings, usualServe } from '../model/serve-settings.ts';
import { type Access, accessOf, type Door, misdirected } from './access/access.ts';
import { createGuards, type Guarding, nameIn, within } from './access/guard.ts';
import { createLimits, createLoads } from './access/limits.ts';
import { metadataAt, metadataUrl, scopeOf } from './access/metadata.ts';
import { allServers } from './aggregate.ts';
import { failureText } from './call.ts';
import { type Face, oneServer } from './face.ts';
import { type Followed, followServing } from './leg/follow.ts';
import type { LegHooks } from './leg/leg.ts';
import { createMcpRequests, header } from './mcp-requests.ts';
import { errorText } from './messages/message.ts';
import { code } from './messages/protocol.ts';
import { sendJson } from './messages/reply.ts';
import { createMetrics, measured } from './metrics.ts';
import { createAsk } from './page/ask.ts';
import type { Assets } from './page/assets.ts';
import { createPage } from './page/page.ts';
import type { PageSource } from './page/source.ts';
import { createPlaces } from './scaling/places.ts';
import { createScaler } from './scaling/scaler.ts';
import { createRoomMaker, type Parkable, type Spare } from './sessions/room.ts';
import type { Seal } from './sessions/seal.ts';
import { createSessions, type SessionBounds, type SessionNotes } from './sessions/sessions.ts';
import { createStreamIds } from './sessions/stream-ids.ts';
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
  /** What else is open with servers, and nobody uses just now. */
  readonly kept?: () => readonly (Followed & Spare)[];
  readonly bounds: SessionBounds;
  /** What ids of sessions, and of calls that wait for an answer, are closed with. */
  readonly seal: Seal;
  /** Sessions that are over, for the gateways that come after this one; absent: none is noted down. */
  readonly notes?: SessionNotes;
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
    notes,
    loop,
    measured: families = async () => [],
    page: shown,
    url = () => undefined,
  }: GatewayOptions,
): Gateway {
  const metrics = createMetrics();
  const counted = measured(given, metrics);
  const places = createPlaces();
  const upstreams: Upstreams = {
    ...counted,
    open: (server) => places.open(server, (own) => counted.open(server, () => makeRoom(server), own)),
    watch: ({ onReady, onChange }, signal) => {
      const heard = (server: ServerName): void => {
        scaler.changed();
        onChange(server);
      };
      return counted.watch({ onReady, onChange: heard }, signal);
    },
  };
  const sessions = createSessions(upstreams, bounds, seal, notes);
  const bridge = createBridge(sessions, seal);
  const stateless = createStateless(upstreams, {
    idleMs: bounds.idleMs,
    bridge,
    version,
    log,
    names: settings.aggregate,
    onListener: () => following.onlookerCame(),
  });
  const spare = (): readonly (Followed & Spare)[] => kept?.() ?? [];
  const conversations = (): readonly Parkable[] => [
    ...stateless.unused().map((leg) => ({ leg, isHeard: false })),
    ...sessions.all().flatMap((one) => one.legs().map((leg) => ({ leg, isHeard: one.isListening() }))),
  ];
  const makeRoom = createRoomMaker(spare, conversations);
  const scaler = createScaler(upstreams, {
    openOf: places.countOf,
    openIn: places.countIn,
    conversations,
    spare,
    log,
    now: () => performance.now(),
  });
  const servers = new Set<Server>();
  const guardOf = createGuards(guarding);
  const limits = createLimits(settings);
  const mostBody = (): number => (settings.limits.bodyMiB ?? usualBodyMiB) * 1024 * 1024;
  const loadOf = createLoads();
  const requests = createMcpRequests({
    sessions,
    streamIds: createStreamIds(seal),
    stateless,
    limits,
    loadOf,
    mostBody,
    log,
  });

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
      limits,
      sessionsOf,
      loadOf,
      mostBody,
      url,
      log,
    });

  const following = followServing(
    upstreams,
    () => [...sessions.all().flatMap((session) => session.legs()), ...stateless.legs(), ...spare()],
    () => {
      scaler.tick();
      sessions.sweep();
      stateless.sweep();
      bridge.sweep();
    },
    {
      isThere: () =>
        stateless.listeners.count() > 0 || sessions.all().some(({ serverChanged }) => serverChanged !== undefined),
      serverChanged(server) {
        for (const session of sessions.all()) session.serverChanged?.(server);
        stateless.listeners.serverChanged(server);
      },
    },
  );

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
      requests.replyTo(response, { challenge, guard }).answer(errorText(null, code.invalidRequest, why), 403, [scope]);
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
    const faceOf = (heard: LegHooks): Face => {
      if (server !== undefined) return oneServer(server, upstreams, heard);
      following.onlookerCame();
      return allServers(within(upstreams, guard), heard, { version, log, guard, names });
    };
    const place = { principal: guard.key, guard, path, server, faceOf, challenge };
    return kind === 'sse' ? requests.sse(request, response, place) : requests.mcp(request, response, place);
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
      following.stop();
      page?.close();
      const closed = [...servers].map((server) => new Promise((resolve) => server.close(resolve)));
      await Promise.all([sessions.close(), stateless.close()]);
      for (const server of servers) server.closeAllConnections();
      await Promise.all(closed);
    },
  };
}

const tell = (response: ServerResponse, { status, type, text }: StatusAnswer): void =>
  void response.writeHead(status, { 'content-type': type }).end(text);

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
