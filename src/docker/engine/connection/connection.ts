import { Agent as HttpAgent, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Docker from 'dockerode';
import { assertNever } from '../../../model/errors.ts';
import type { EngineDescription } from '../../../model/observed.ts';
import { rememberedLookup } from '../listing/remembered-lookup.ts';
import type { Endpoint } from './endpoint.ts';
import { sshAgent } from './ssh-agent.ts';

/** How long connecting may take, s: a local socket answers at once, ssh may have to make a connection first. */
export const connectSeconds = { socket: 5, tcp: 15, ssh: 30 } as const;

/** Where requests go: what dockerode and our own hijacking requests share. */
export type RequestTarget = {
  readonly secure: boolean;
  /** Absent: Node's own. */
  readonly agent: HttpAgent | undefined;
  readonly options: Pick<RequestOptions, 'socketPath' | 'host' | 'port'>;
};

/** What the engine said about itself when we connected. */
export type EngineVersion = Pick<EngineDescription, 'kind' | 'version' | 'apiVersion' | 'os' | 'architecture'>;

export type Connection = {
  readonly docker: Docker;
  readonly endpoint: Endpoint;
  readonly target: RequestTarget;
  readonly engine: EngineVersion;
};

/** The agent and address of an endpoint. Connections are kept alive: one costs an exec's worth over TLS or ssh. */
export function requestTarget(endpoint: Endpoint): RequestTarget {
  switch (endpoint.kind) {
    case 'socket':
      return { secure: false, agent: new HttpAgent({ keepAlive: true }), options: { socketPath: endpoint.path } };
    case 'ssh':
      return { secure: false, agent: sshAgent(endpoint, connectSeconds.ssh), options: { host: 'docker', port: 80 } };
    case 'tcp': {
      const options = { host: endpoint.host, port: endpoint.port };
      const { tls } = endpoint;
      const lookup = rememberedLookup();
      if (tls === undefined) return { secure: false, agent: new HttpAgent({ keepAlive: true, lookup }), options };
      const { verify, ...certificates } = tls;
      const agent = new HttpsAgent({ keepAlive: true, lookup, rejectUnauthorized: verify, ...certificates });
      return { secure: true, agent, options };
    }
    default:
      return assertNever(endpoint);
  }
}

/** What docker-modem takes; dockerode's own type leaves the agent out, which it only passes on. */
type ModemOptions = Docker.DockerOptions & { readonly agent?: HttpAgent | undefined };

/**
 * A dockerode that speaks to `target` and to nothing else. docker-modem reads DOCKER_HOST and DOCKER_CERT_PATH whenever
 * it is made, lets them win over a given socket, and throws when they are broken; so it is made without seeing them.
 */
export function dockerodeFor(target: RequestTarget, apiVersion: string): Docker {
  const { DOCKER_HOST: hidden } = process.env;
  delete process.env.DOCKER_HOST;
  try {
    const { socketPath, host, port } = target.options;
    const options: ModemOptions = {
      agent: target.agent,
      protocol: target.secure ? 'https' : 'http',
      version: `v${apiVersion}`,
      ...(typeof socketPath === 'string' ? { socketPath } : { host: host ?? 'localhost', port: port ?? 80 }),
    };
    return new Docker(options);
  } finally {
    if (hidden !== undefined) process.env.DOCKER_HOST = hidden;
  }
}
