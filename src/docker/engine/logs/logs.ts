import { LoomsError } from '../../../model/errors.ts';
import { type ContainerId, shortId } from '../../../model/ids.ts';
import type { CallOptions, LogLine, LogMoment, LogQuery } from '../../port.ts';
import { askBytes, askStream, get } from '../connection/ask.ts';
import type { Connection, InfoReader } from '../connection/connection.ts';
import { engineError } from '../connection/errors.ts';
import { logParser } from './log-lines.ts';

const whatOf = (id: ContainerId): string => `read the log of container ${shortId(id)}`;

/** The lines of a log as the engine sends it with timestamps, oldest first; lines of one millisecond keep their order. */
export function parseLog(bytes: Buffer): readonly LogLine[] {
  const parser = logParser();
  return [...parser.feed(bytes), ...parser.end()]
    .map((line, index) => ({ line, index }))
    .sort((a, b) => a.line.time - b.line.time || a.index - b.index)
    .map(({ line }) => line);
}

/** The last `count` lines of a container's log, both streams, oldest first. Throws `engine-not-found`. */
export async function tailLog(
  connection: Connection,
  id: ContainerId,
  count: number,
  options: CallOptions,
): Promise<readonly LogLine[]> {
  const query = { stdout: 1, stderr: 1, timestamps: 1, tail: count };
  return parseLog(await askBytes(connection, whatOf(id), get(`/containers/${id}/logs`, query), options));
}

/** A moment as the engine takes it: seconds since the epoch with a fraction. */
async function secondsOf(moment: LogMoment, info: InfoReader, options: CallOptions): Promise<string> {
  const at = 'at' in moment ? moment.at : Math.max(0, (await info.now(options)) - moment.agoMs);
  return (at / 1000).toFixed(3);
}

async function parametersOf(query: LogQuery, info: InfoReader, options: CallOptions) {
  const { since, until, tail, streams, follow } = query;
  return {
    timestamps: 1,
    follow: follow ? 1 : 0,
    stdout: streams.includes('stdout') ? 1 : 0,
    stderr: streams.includes('stderr') ? 1 : 0,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since: await secondsOf(since, info, options) }),
    ...(until === undefined ? {} : { until: await secondsOf(until, info, options) }),
  };
}

/**
 * A container's log, line by line in the order in which it was written. Whoever takes no more lines holds the engine's
 * stream up, so a log of any size needs little memory; ending the iteration cuts the connection.
 * Throws `engine-not-found`, `interrupted`, `engine-unsupported` for a log driver that cannot be read.
 */
export async function* readLog(
  connection: Connection,
  id: ContainerId,
  query: LogQuery,
  options: CallOptions,
): AsyncGenerator<LogLine> {
  const { signal } = options;
  const parameters = await parametersOf(query, connection.info, options);
  const response = await askStream(connection, whatOf(id), get(`/containers/${id}/logs`, parameters), options);
  const parser = logParser();
  try {
    for await (const chunk of response) yield* parser.feed(chunk as Buffer);
    yield* parser.end();
  } catch (error) {
    if (signal?.aborted) throw new LoomsError('interrupted', `stopped: ${whatOf(id)}`, { cause: error });
    throw engineError(error, whatOf(id));
  } finally {
    response.destroy();
  }
}
