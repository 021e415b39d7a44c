import { isIP } from 'node:net';
import type { Bearers } from './bearers.ts';
import { type Grant, ownGrant } from './guard.ts';

/** Who may come in by one way of listening. */
export type Door =
  /** The socket: its mode says who. */
  | { readonly kind: 'socket' }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      /** The host that clients know it by, behind a reverse proxy. */
      readonly publicHost?: string;
      readonly bearers: Bearers;
    };

/** A door as far as it says which host is meant. */
type Way = { readonly kind: 'socket' } | Omit<Extract<Door, { kind: 'tcp' }>, 'bearers'>;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Who speaks, or the refusal. */
export type Access =
  | { readonly granted: true; readonly grant: Grant }
  | {
      readonly granted: false;
      readonly status: 401 | 403 | 503;
      readonly why: string;
      readonly error?: 'invalid_token';
    };

export const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/i;

/** The name of a host without its port. */
const nameIn = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

/**
 * Why a request may not come in by this door, whoever it is of, or undefined. The page of a foreign site can make a browser
 * send requests here, under a name of that site which the site lets point here (DNS rebinding). So the Origin has to be of
 * this machine or of the host that is asked, and that host is called by an address, as `localhost`, or by the name that the
 * gateway listens on (MCP, "Security Warning" of the transport).
 */
export function misdirected(door: Way, { origin, host }: Headers): string | undefined {
  const asked = typeof host === 'string' ? nameIn(host) : '';
  if (door.kind === 'tcp' && !isOurs(asked, door)) return 'the Host header names another host';
  if (origin !== undefined && !isLocalPage(String(origin), door.kind === 'tcp' ? asked : 'localhost')) {
    return 'the Origin header names another site';
  }
  return undefined;
}

/** The bearer token of a request; undefined where it has none. */
export const bearerIn = ({ authorization }: Headers): string | undefined =>
  /^Bearer +([^\s]+) *$/i.exec(typeof authorization === 'string' ? authorization : '')?.[1];

/** Whose a request is that may come in by this door. */
export async function accessOf(door: Door, headers: Headers): Promise<Access> {
  if (door.kind === 'socket') return { granted: true, grant: ownGrant };
  const given = bearerIn(headers);
  if (given === undefined) return { granted: false, status: 401, why: 'a bearer token is needed' };
  const found = await door.bearers(given);
  if (found.kind === 'known') return { granted: true, grant: found.grant };
  if (found.kind === 'unavailable') return { granted: false, status: 503, why: found.why };
  return { granted: false, status: 401, why: found.why, error: 'invalid_token' };
}

const isOurs = (asked: string, { host, publicHost }: Extract<Way, { kind: 'tcp' }>): boolean =>
  loopback.test(asked) ||
  isIP(asked.replace(/^\[|\]$/g, '')) !== 0 ||
  asked === host.toLowerCase() ||
  asked === publicHost?.toLowerCase();

function isLocalPage(origin: string, asked: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return /^https?:$/.test(protocol) && (loopback.test(hostname) || hostname === asked);
}
