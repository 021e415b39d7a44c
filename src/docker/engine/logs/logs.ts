import { LoomsError } from '../../../model/errors.ts';
import { type ContainerId, shortId } from '../../../model/ids.ts';
import type { LogLine, LogMoment, LogQuery } from '../../port.ts';
import { askBytes, askStream, get } from '../connection/ask.ts';
import type { Client } from '../connection/connection.ts';
import { engineError } from '../connection/errors.ts';
import { logParser } from './log-lines.ts';

const whatOf = (id: ContainerId): string => `read the log of container ${shortId(id)}`;

/** The lines of a log as the engine sends it with timestamps, oldest first; lines of one millisecond keep their order. */
export function parseLog(bytes: Buffer): readonly LogLine[] {
  const parser = logParser();
  return [...parser.feed(bytes), ...parser.end()].sort((a, b) => a.time - b.time);
}

/** The last `count` lines of a container's log, both streams, oldest first. Throws `engine-not-found`. */
export async function tailLog(client: Client, id: ContainerId, count: number): Promise<readonly LogLine[]> {
  const query = { stdout: 1, stderr: 1, timestamps: 1, tail: count };
  return parseLog(await askBytes(client, whatOf(id), get(`/containers/${id}/logs`, query)));
}

/** A moment as the engine takes it: seconds since the epoch with a fraction. */
export async function secondsOf(moment: LogMoment, client: Client): Promise<string> {
  const at = 'at' in moment ? moment.at : Math.max(0, (await client.info.now(client)) - moment.agoMs);
  return (at / 1000).toFixed(3);
}

async function parametersOf(query: LogQuery, client: Client) {
  const { since, until, tail, streams, follow } = query;
  return {
    timestamps: 1,
    follow: follow ? 1 : 0,
    stdout: streams.includes('stdout') ? 1 : 0,
    stderr: streams.includes('stderr') ? 1 : 0,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since: await secondsOf(since, client) }),
    ...(until === undefined ? {} : { until: await secondsOf(until, client) }),
  };
}

/**
 * A container's log, line by line in the order in which it was written. Whoever takes no more lines holds the engine's
 * stream up, so a log of any size needs little memory; ending the iteration cuts the connection.
 * Throws `engine-not-found`, `interrupted`, `engine-unsupported` for a log driver that cannot be read.
 */
export async function* readLog(client: Client, id: ContainerId, query: LogQuery): AsyncGenerator<LogLine> {
  const parameters = await parametersOf(query, client);
  const response = await askStream(client, whatOf(id), get(`/containers/${id}/logs`, parameters));
  const parser = logParser();
  try {
    for await (const chunk of response) yield* parser.feed(chunk as Buffer);
    yield* parser.end();
  } catch (error) {
    if (client.signal?.aborted) throw new LoomsError('interrupted', `stopped: ${whatOf(id)}`, { cause: error });
    throw engineError(error, whatOf(id));
  } finally {
    response.destroy();
  }
}
