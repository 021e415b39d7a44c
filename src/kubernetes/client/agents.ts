import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
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

function makeAgents(access: ClusterAccess, { certificate }: Identity): Agents {
  const { ca, verify, servername } = access.trust;
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

const isSame = (one: Identity['certificate'], other: Identity['certificate']): boolean =>
  one?.cert === other?.cert && one?.key === other?.key;

/** Agents by identity: those of a certificate that was replaced are ended once nothing uses them. */
export function agentsFor(access: ClusterAccess): {
  readonly of: (identity: Identity) => Agents;
  readonly close: () => void;
} {
  let made: { readonly identity: Identity; readonly agents: Agents } | undefined;
  const close = (): void => {
    made?.agents.calls.destroy();
    made?.agents.streams.destroy();
    made = undefined;
  };
  return {
    of(identity) {
      if (made !== undefined && isSame(made.identity.certificate, identity.certificate)) return made.agents;
      // Connections in use go on; idle ones are closed by the server in time.
      made = { identity, agents: makeAgents(access, identity) };
      return made.agents;
    },
    close,
  };
}
