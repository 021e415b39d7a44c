import { isFailure, LoomsError } from '../../../model/errors.ts';
import { isRecord } from '../../../model/values/is-record.ts';
import type { CallOptions } from '../../port.ts';
import { ask, get } from './ask.ts';
import { call } from './call.ts';
import {
  type Connection,
  connectSeconds,
  type EngineInfo,
  type EngineVersion,
  type RequestTarget,
  requestTarget,
} from './connection.ts';
import { describeEndpoint, type Endpoint } from './endpoint.ts';
import { infoReader } from './engine-clock.ts';
import { parseJson, requestBytes } from './request.ts';

/** The oldest API we work with (Engine 20.10, Podman), and the newest whose behaviour we know (Engine 27.2). */
const oldestApi = '1.41';
const newestApi = '1.47';

const apiNumber = (version: string): number => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major * 1_000 + minor;
};

type VersionAnswer = {
  readonly Version?: string;
  readonly ApiVersion?: string;
  readonly MinAPIVersion?: string;
  readonly Os?: string;
  readonly Arch?: string;
  readonly Components?: readonly { readonly Name?: string }[];
};

/** The API version to speak: the newest both know, or a newer engine's oldest. Throws `engine-too-old` below 1.41. */
export function negotiateApi(engine: { readonly newest: string; readonly oldest: string }, name: string): string {
  if (apiNumber(engine.newest) < apiNumber(oldestApi)) {
    throw new LoomsError('engine-too-old', `${name} speaks API ${engine.newest}; looms needs ${oldestApi} or newer`, {
      hint: 'update the engine to 20.10 or newer',
    });
  }
  if (apiNumber(engine.oldest) > apiNumber(newestApi)) return engine.oldest;
  return apiNumber(engine.newest) < apiNumber(newestApi) ? engine.newest : newestApi;
}

function readVersion(answer: VersionAnswer, endpoint: Endpoint): EngineVersion {
  const newest: unknown = answer.ApiVersion;
  if (typeof newest !== 'string') {
    throw new LoomsError('engine-unreachable', `what answers at ${describeEndpoint(endpoint)} is no Docker Engine`, {
      hint: 'name the engine with --host or --context',
    });
  }
  const parts: unknown = answer.Components;
  const podman = Array.isArray(parts) && parts.some((part) => isRecord(part) && /^Podman/.test(String(part.Name)));
  return {
    kind: podman ? 'podman' : 'docker',
    version: answer.Version ?? 'unknown',
    apiVersion: negotiateApi({ newest, oldest: answer.MinAPIVersion || newest }, describeEndpoint(endpoint)),
    os: answer.Os ?? 'unknown',
    architecture: answer.Arch ?? 'unknown',
  };
}

/** Whether a connection is open that is used or kept for use; one that became an exec's is not among them. */
const hasConnection = ({ agent }: RequestTarget): boolean =>
  Object.keys(agent.sockets).length > 0 || Object.keys(agent.freeSockets).length > 0;

/**
 * Connects to an engine and agrees on an API version, in one round trip and a bounded time (30 s). Throws
 * `engine-unreachable` with how to start one on this platform, or `engine-too-old`.
 */
export async function openConnection(endpoint: Endpoint, options: CallOptions): Promise<Connection> {
  const target = await requestTarget(endpoint);
  try {
    const readNow = async (bound: CallOptions): Promise<EngineVersion> => {
      const limited = { ...bound, limitMs: connectSeconds * 1_000 };
      const answer = await call(`reach ${describeEndpoint(endpoint)}`, limited, (signal) =>
        requestBytes(target, { method: 'GET', path: '/version', signal }),
      );
      return readVersion((parseJson(answer) ?? {}) as VersionAnswer, endpoint);
    };
    const engine = await readNow(options);
    let agreeing: Promise<void> | undefined;
    /** Whether nobody answered when the version was asked for again. */
    let isLost = false;
    const agreeAnew = async (): Promise<void> => {
      isLost = true;
      try {
        Object.assign(engine, await readNow({}));
        info.forget();
        isLost = false;
      } finally {
        agreeing = undefined;
      }
    };
    const agree = async (isAnew: boolean): Promise<void> => {
      // Whoever asks meanwhile waits for the same answer, which opens the connection.
      if (agreeing === undefined && !isAnew && !isLost && hasConnection(target)) return;
      agreeing ??= agreeAnew();
      await agreeing;
    };
    const base = { endpoint, target, engine, agree };
    const info = infoReader((bound) => ask<EngineInfo>({ ...base, ...bound }, 'read its description', get('/info')));
    return { ...base, info };
  } catch (error) {
    target.agent.destroy();
    if (isFailure(error, 'engine-timeout')) {
      throw new LoomsError('engine-unreachable', error.message, {
        hint: 'something listens there and does not answer: restart the engine',
        cause: error,
      });
    }
    throw error;
  }
}
