import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** Who may come in by one way of listening. */
export type Door =
  /** The socket: its mode says who. */
  | { readonly kind: 'socket' }
  | { readonly kind: 'tcp'; readonly host: string; readonly token: string; readonly tokenName: string };

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Who speaks, or the refusal. */
export type Access =
  | { readonly granted: true; readonly principal: string }
  | { readonly granted: false; readonly status: 401 | 403; readonly why: string };

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/i;

/** The name of a host without its port. */
const nameIn = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

/**
 * Whether a request may come in, and whose it is. A page of a foreign site can make a browser send requests here, under a
 * name of its own that it lets point here (DNS rebinding): so a page has to be of this machine or of the host that it asks,
 * and a host is called by an address, as `localhost`, or by the name that it listens on (MCP, "Security Warning" of the
 * transport).
 */
export function accessOf(door: Door, headers: Headers): Access {
  const refuse = (status: 401 | 403, why: string): Access => ({ granted: false, status, why });
  const { origin, host, authorization } = headers;
  const asked = typeof host === 'string' ? nameIn(host) : '';
  if (door.kind === 'tcp' && !isOurs(asked, door.host)) return refuse(403, 'the Host header names another host');
  if (origin !== undefined && !isLocalPage(String(origin), door.kind === 'tcp' ? asked : 'localhost')) {
    return refuse(403, 'the Origin header names another site');
  }
  if (door.kind === 'socket') return { granted: true, principal: 'local' };
  const given = /^Bearer +([^\s]+) *$/i.exec(typeof authorization === 'string' ? authorization : '')?.[1];
  if (given === undefined) return refuse(401, 'a bearer token is needed');
  if (!timingSafeEqual(digest(given), digest(door.token))) return refuse(401, 'the token is not known here');
  return { granted: true, principal: door.tokenName };
}

/** Of the same length for all, and telling nothing by how long it takes to compare. */
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

const isOurs = (asked: string, listensOn: string): boolean =>
  loopback.test(asked) || isIP(asked.replace(/^\[|\]$/g, '')) !== 0 || asked === listensOn.toLowerCase();

function isLocalPage(origin: string, asked: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return /^https?:$/.test(protocol) && (loopback.test(hostname) || hostname === asked);
}
