import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { defined } from '../../model/values/defined.ts';
import type { ClusterAccess, Identity } from './access.ts';

/** Connections that requests share: an API server queues what comes at once, and one client need not fill its queue. */
const mostConnections = 16;

/** Connections to an API server as one identity. */
export type Agents = {
  /** Kept alive between requests. */
  readonly calls: http.Agent;
  /** For what goes on: watches, logs and execs, each with a connection of its own. */
  readonly streams: http.Agent;
};

type Made = (error: Error | null, socket?: Duplex) => void;

/** A connection to the proxy that it joined to the target. */
function joined(proxy: URL, target: string, onMade: Made): void {
  const { request } = proxy.protocol === 'https:' ? https : http;
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const asking = request({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : proxy.port,
    method: 'CONNECT',
    path: target,
    agent: false,
    headers: {
      Host: target,
      ...(pair === ':' ? {} : { 'Proxy-Authorization': `Basic ${Buffer.from(pair).toString('base64')}` }),
    },
  });
  const refused = (status: number | undefined): Error =>
    Object.assign(new Error(`the proxy ${proxy.host} answered HTTP ${status}`), { code: 'EPROXY' });
  asking
    .once('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) return onMade(null, socket);
      socket.destroy();
      onMade(refused(statusCode));
    })
    .once('response', (response) => {
      response.destroy();
      onMade(refused(response.statusCode));
    })
    .once('error', onMade)
    .end();
}

/** Has an agent make its connections through a proxy. */
function throughProxy(agent: http.Agent, proxy: URL, isSecure: boolean): void {
  agent.createConnection = (options, callback) => {
    const onMade: Made = (error, socket) => {
      if (error !== null || socket === undefined) callback?.(error, socket as Duplex);
      else callback?.(null, isSecure ? tls.connect({ ...(options as tls.ConnectionOptions), socket }) : socket);
    };
    const host = String(options.host);
    joined(proxy, `${host.includes(':') ? `[${host}]` : host}:${options.port}`, onMade);
    return undefined;
  };
}

function agentOf(access: ClusterAccess, options: https.AgentOptions): http.Agent {
  const isSecure = access.endpoint.startsWith('https:');
  const agent = isSecure ? new https.Agent(options) : new http.Agent(options);
  if (access.proxy !== undefined) throughProxy(agent, access.proxy, isSecure);
  return agent;
}

/** What connections are made with, beside what a cluster always has. */
type Secured = Pick<Identity, 'certificate'> & { readonly ca: string | undefined };

function makeAgents(access: ClusterAccess, { certificate, ca }: Secured): Agents {
  const { verify, servername } = access.trust;
  const options: https.AgentOptions = {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca }),
    ...(servername === undefined ? {} : { servername }),
    ...certificate,
  };
  return {
    calls: agentOf(access, { ...options, keepAlive: true, maxSockets: mostConnections }),
    streams: agentOf(access, { ...options, keepAlive: false }),
  };
}

const isSame = (one: Secured, other: Secured): boolean =>
  one.ca === other.ca &&
  one.certificate?.cert === other.certificate?.cert &&
  one.certificate?.key === other.certificate?.key;

/** Who sends a request, and over which connections. */
export type Caller = { readonly identity: Identity; readonly agents: Agents };

/**
 * Who asks by now (`ClusterAccess.identity`), with connections: those with a certificate or an authority that was replaced
 * are ended once nothing uses them.
 */
export function callersOf(access: ClusterAccess): {
  readonly caller: (refused?: Caller) => Promise<Caller>;
  readonly close: () => void;
} {
  let made: { readonly secured: Secured; readonly agents: Agents } | undefined;
  const close = (): void => {
    made?.agents.calls.destroy();
    made?.agents.streams.destroy();
    made = undefined;
  };
  return {
    async caller(refused) {
      const [identity, ca] = await Promise.all([access.identity(refused?.identity), access.trust.ca?.()]);
      const secured = { ca, ...defined({ certificate: identity.certificate }) };
      // Connections in use go on; idle ones are closed by the server in time.
      if (made === undefined || !isSame(made.secured, secured)) made = { secured, agents: makeAgents(access, secured) };
      return { identity, agents: made.agents };
    },
    close,
  };
}
