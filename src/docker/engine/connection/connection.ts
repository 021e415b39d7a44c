import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { Agent, type RequestOptions, request } from 'node:http';
import type { LookupFunction } from 'node:net';
import type { DockerDescription, EngineTime } from '../../../model/engine.ts';
import { assertNever } from '../../../model/errors.ts';
import type { CallOptions } from '../../port.ts';
import type { Bound } from './call.ts';
import type { Endpoint } from './endpoint.ts';
import { sshAgent } from './ssh-agent.ts';

/**
 * How long connecting may take, s: ssh may have to make a connection first, and an engine on a machine with more work
 * than cores was seen to take more than 5 s for its first answer.
 */
export const connectSeconds = 30;

/** Where requests go. */
export type RequestTarget = {
  /** Of HTTP or of HTTPS. */
  readonly request: typeof request;
  /** Keeps connections alive: one costs an exec's worth over TLS or ssh. */
  readonly agent: Agent;
  readonly options: Pick<RequestOptions, 'socketPath' | 'host' | 'port'> & { readonly servername?: '' };
};

/** What the engine said about itself when it was last agreed which version to speak. */
export type EngineVersion = Pick<DockerDescription, 'kind' | 'version' | 'apiVersion' | 'os' | 'architecture'>;

/** What `GET /info` answers, as far as we read it. */
export type EngineInfo = {
  readonly ID?: string;
  readonly Name?: string;
  /** Where it keeps images and containers. */
  readonly DockerRootDir?: string;
  readonly Driver?: string;
  readonly DriverStatus?: readonly (readonly string[])[] | null;
  readonly SystemTime?: string;
  readonly NCPU?: number;
  readonly MemTotal?: number;
  readonly MemoryLimit?: boolean;
  readonly SwapLimit?: boolean;
  /** `name=seccomp,profile=default`. */
  readonly SecurityOptions?: readonly string[] | null;
  readonly CgroupVersion?: string;
  readonly PidsLimit?: boolean;
  readonly CpuCfsQuota?: boolean;
  /** The driver of containers that name none; Podman says nothing. */
  readonly LoggingDriver?: string;
};

export type InfoReader = {
  /** Asks the engine now. */
  readonly read: (options: CallOptions) => Promise<EngineInfo>;
  /** What it said last; asks when it was never asked. For what does not change while an engine runs. */
  readonly known: (options: CallOptions) => Promise<EngineInfo>;
  /** The engine's clock now: asked, then carried on by a clock of ours that never jumps. */
  readonly now: (options: CallOptions) => Promise<EngineTime>;
  /** What was said is of an engine that may be another by now: the next question is asked. */
  readonly forget: () => void;
};

export type Connection = {
  readonly endpoint: Endpoint;
  readonly target: RequestTarget;
  /** One object for the life of the connection, which `agree` changes. */
  readonly engine: EngineVersion;
  /**
   * For before each call. Where no connection to the engine is left, or `isAnew`, what listens there may have been upgraded
   * or be another one: asks for its version again, and forgets what the one before said of itself. Rejects as a request
   * does.
   */
  readonly agree: (isAnew: boolean) => Promise<void>;
  readonly info: InfoReader;
};

/** A connection, and what bounds the calls that are made with it. */
export type Client = Connection & Bound;

/** For what has to be done also when the caller gave up: the caller's signal does not end it. */
export const unsignalled = ({ signal: _, ...client }: Client): Client => client;

/** Without it Node looks at each host, also of a socket, whether it is an IPv6 address: 3 ms for the first. */
const noServername = { servername: '' } as const;

/** The agent and address of an endpoint. */
export async function requestTarget(endpoint: Endpoint): Promise<RequestTarget> {
  switch (endpoint.kind) {
    case 'socket':
      return {
        request,
        agent: new Agent({ keepAlive: true }),
        options: { socketPath: endpoint.path, ...noServername },
      };
    case 'ssh':
      return {
        request,
        agent: sshAgent(endpoint, connectSeconds),
        options: { host: 'docker', port: 80, ...noServername },
      };
    case 'tcp': {
      const options = { host: endpoint.host, port: endpoint.port };
      const { tls } = endpoint;
      const lookup = rememberedLookup();
      if (tls === undefined) {
        return { request, agent: new Agent({ keepAlive: true, lookup }), options: { ...options, ...noServername } };
      }
      const { verify, ...certificates } = tls;
      const https = await import('node:https');
      const agent = new https.Agent({ keepAlive: true, lookup, rejectUnauthorized: verify, ...certificates });
      return { request: https.request, agent, options };
    }
    default:
      return assertNever(endpoint);
  }
}

/** How long an answer of the system's resolver is used again, ms; curl's default, too. */
const rememberedMs = 60_000;

type Answer = { readonly until: number; readonly addresses: Promise<readonly LookupAddress[]> };

const ask = (host: string, options: LookupOptions): Promise<readonly LookupAddress[]> =>
  lookup(host, { ...options, all: true });

/**
 * The system's resolver, asked once a minute for a host instead of for every connection: a run makes dozens of them, and
 * a slow name server would be waited for each time. A failure is not remembered. `nowMs` is monotonic, `resolve` asks.
 */
export function rememberedLookup(nowMs: () => number = () => performance.now(), resolve = ask): LookupFunction {
  const known = new Map<string, Answer>();
  return (host, options, callback) => {
    const key = JSON.stringify([host, options.family, options.hints]);
    const found = known.get(key);
    const answer =
      found !== undefined && found.until > nowMs()
        ? found
        : { until: nowMs() + rememberedMs, addresses: resolve(host, options) };
    known.set(key, answer);
    answer.addresses.then(
      (addresses) => {
        const [first] = addresses;
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: NodeJS.ErrnoException) => {
        if (known.get(key) === answer) known.delete(key);
        callback(error, '');
      },
    );
  };
}
