import type { IncomingMessage, ServerResponse } from 'node:http';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import type { PageRoutes } from '../../model/page/routes.ts';
import { accessOf, bearerIn, type Door } from '../access/access.ts';
import { type Grant, ownGrant } from '../access/guard.ts';
import { sendJson } from '../messages/reply.ts';
import type { Assets } from './assets.ts';
import { createHub } from './hub.ts';
import { createLogins } from './logins.ts';
import { createRequests, type RequestParts } from './requests.ts';
import { hasRight, type Right, seesPage } from './rights.ts';
import { asPageError } from './source.ts';
import { createStreams } from './streams.ts';
import { readObject, refusal, requireRight, serverIn, statusOf, toldOf } from './terms.ts';

/** What the page stands on. */
export type PageParts = RequestParts & {
  readonly assets: Assets;
  /** Where the gateway listens on TCP, for a browser; undefined where it does not. */
  readonly url: () => string | undefined;
  /** Hears of failures of the gateway's own; foreign text in it. */
  readonly log: (text: string) => void;
};

export type Page = {
  /** Answers a request whose address is one of the page's; false for another one. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, door: Door) => Promise<boolean>;
  /** Ends what is seen for those who look. */
  readonly close: () => void;
};

/** Longest body of a login, bytes. */
const loginBody = 16 * 1024;

/** Whose load the bodies of logins are, as nobody is known yet: no principal has this name, as a name is not empty. */
const nobody = '';

/** The page of a gateway, and what it is told and does (docs/page.md). */
export function createPage({ assets, url: ownUrl, log, ...parts }: PageParts): Page {
  const { source, loadOf } = parts;
  const logins = createLogins();
  const hub = createHub(source);
  const streams = createStreams({ source, hub, loadOf, log });
  const requests = createRequests(parts);

  /** Of what was said by the gateway alone: no secret can be in it, and a key must not be masked. */
  const answer = (response: ServerResponse, status: number, value: unknown): void =>
    sendJson(response, status, JSON.stringify(value));
  const fail = (response: ServerResponse, error: unknown): void => {
    const status = statusOf(error);
    if (status === 429) response.setHeader('retry-after', '1');
    // The rest of such a body is not waited for.
    if (status === 413 || status === 429) response.setHeader('connection', 'close');
    sendJson(response, status, source.mask(JSON.stringify(asPageError(toldOf(error, log)))));
  };
  /** A session for a code that was asked for over the socket, or for the token of a client. */
  const logIn = async (request: IncomingMessage, response: ServerResponse, door: Door): Promise<void> => {
    const { code, token } = await readObject(request, loginBody, loadOf(nobody, response));
    let grant: Grant | undefined;
    if (typeof code === 'string') grant = logins.redeem(code) ? ownGrant : undefined;
    else if (typeof token === 'string' && door.kind === 'tcp') {
      const access = await accessOf(door, { authorization: `Bearer ${token}` });
      if (!access.granted && access.status === 503)
        return answer(response, 503, asPageError({ code: 'source-unreachable', message: access.why }));
      grant = access.granted ? access.grant : undefined;
    }
    if (grant === undefined) {
      const message =
        typeof code === 'string' ? 'this code was used, or is older than a minute' : 'this token is not known here';
      const hint = '`looms dashboard` prints a new address';
      return answer(response, 401, asPageError({ code: 'refused', message, hint }));
    }
    if (!seesPage(grant)) throw refusal('page', undefined);
    const session = logins.open(grant);
    if (session === undefined) throw new LoomsError('sessions-busy', 'too many are logged in');
    answer(response, 200, session satisfies PageRoutes['POST /page/session']['answers']);
  };

  /** The servers of which somebody has a right; undefined: all. Throws where there is none. */
  const serversWith = async (
    grant: Grant,
    right: Right,
    asked: string | null,
  ): Promise<readonly ServerName[] | undefined> => {
    if (asked !== null && asked !== '*') {
      const server = serverIn(asked);
      requireRight(grant, right, server);
      return [server];
    }
    if (hasRight(grant, right)) return undefined;
    const { servers } = await hub.seen();
    const theirs = servers.map(({ name }) => name).filter((name) => hasRight(grant, right, name));
    if (theirs.length === 0) throw refusal(right, undefined);
    return theirs;
  };

  /** Who looks; undefined, and answered, where that is nobody who may. */
  const whoLooks = async (
    request: IncomingMessage,
    response: ServerResponse,
    door: Door,
  ): Promise<Grant | undefined> => {
    const key = bearerIn(request.headers);
    const own = key === undefined ? undefined : logins.find(key);
    const access = own === undefined ? await accessOf(door, request.headers) : ({ granted: true, grant: own } as const);
    if (!access.granted) {
      if (access.status === 401) response.setHeader('www-authenticate', 'Bearer realm="looms"');
      const hint = '`looms dashboard` prints an address to log in with';
      const code = access.status === 503 ? 'source-unreachable' : 'refused';
      answer(response, access.status, asPageError({ code, message: access.why, hint }));
      return undefined;
    }
    if (seesPage(access.grant)) return access.grant;
    fail(response, refusal('page', undefined));
    return undefined;
  };

  const route = async (request: IncomingMessage, response: ServerResponse, door: Door, url: URL): Promise<void> => {
    const asked = `${request.method} ${url.pathname}`;
    if (asked === 'POST /page/session') return logIn(request, response, door);
    // Only its user has the socket: whoever asks there is let in elsewhere, too.
    if (asked === 'POST /page/code' && door.kind === 'socket') {
      const at = ownUrl();
      // A code is of no use to whoever cannot get to the page with it.
      const made = at === undefined ? {} : { url: at, code: logins.makeCode() };
      return answer(response, 200, made satisfies PageRoutes['POST /page/code']['answers']);
    }
    const grant = await whoLooks(request, response, door);
    if (grant === undefined) return;
    const server = /^GET \/page\/servers\/([^/]+)$/.exec(asked)?.[1];
    if (server !== undefined) return requests.detail(response, grant, server);
    const { searchParams: query } = url;
    switch (asked) {
      case 'DELETE /page/session': {
        const key = bearerIn(request.headers);
        if (key !== undefined) logins.close(key);
        return void response.writeHead(204).end();
      }
      case 'GET /page/stream':
        return streams.follow(request, response, grant);
      case 'GET /page/log':
        return streams.log(response, grant, (await serversWith(grant, 'logs', query.get('server'))) ?? [], query);
      case 'GET /page/audit':
        return requests.audit(response, await serversWith(grant, 'audit', query.get('server')), query);
      case 'POST /page/call':
        return requests.call(request, response, grant);
      case 'POST /page/act':
        return requests.act(request, response, grant);
      case 'POST /page/plan':
        return requests.approve(request, response, grant);
      default:
        return answer(response, 404, asPageError({ code: 'usage', message: `there is no ${asked}` }));
    }
  };

  return {
    async handle(request, response, door) {
      const target = request.url ?? '';
      const url = URL.canParse(target, 'http://localhost') ? new URL(target, 'http://localhost') : undefined;
      if (url === undefined) return false;
      const { pathname } = url;
      if (pathname === '/' || pathname.startsWith('/assets/')) {
        const isRead = request.method === 'GET' || request.method === 'HEAD';
        return isRead && assets.answer(request, response, pathname);
      }
      if (!pathname.startsWith('/page/')) return false;
      // Nothing that the page is told is for anybody else.
      response.setHeader('cache-control', 'no-store');
      try {
        await route(request, response, door, url);
      } catch (error) {
        // Whoever has left is told nothing, and that they left is no failure.
        if (request.socket.destroyed) return true;
        if (!response.headersSent) fail(response, error);
        else {
          toldOf(error, log);
          response.destroy();
        }
      }
      return true;
    },
    close: hub.close,
  };
}
