import type { Readable } from 'node:stream';
import { LoomsError } from '../../../model/errors.ts';
import { type ApiRequest, askStream } from '../connection/ask.ts';
import type { Client } from '../connection/connection.ts';
import { engineError } from '../connection/errors.ts';

/**
 * How long the engine may take to its first line, ms: it comes after a build's context was sent, or a registry was
 * asked. What comes then is bounded by the caller's signal only; a build may well be silent for minutes.
 */
const firstLineLimitMs = 300_000;

/**
 * Sends a request whose answer is one JSON object a line (pull, build, events), and hands on each; `onBegin` when it begins.
 *
 * @throws LoomsError `interrupted` when the caller's signal aborts: the connection is cut, which ends a pull or a
 *   build on the engine too; else what `engineError` makes of the failure
 */
export async function followStream(
  client: Client,
  what: string,
  request: ApiRequest,
  onEntry: (entry: StreamEntry) => void,
  onBegin: () => void = () => {},
): Promise<void> {
  const stream = await askStream({ ...client, limitMs: firstLineLimitMs }, what, request);
  try {
    onBegin();
    for await (const line of lines(stream)) onEntry(parseEntry(line));
  } catch (error) {
    if (client.signal?.aborted) throw new LoomsError('interrupted', `stopped: ${what}`);
    throw engineError(error, what);
  } finally {
    stream.destroy();
  }
}

/** One line of the engine's answer, with the parts that are used here. */
export type StreamEntry = {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** What came of a build, or of a push. */
  readonly aux?: { readonly ID?: string; readonly Digest?: unknown };
  /** An event's. */
  readonly Action?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
  /** Nanoseconds since the epoch: more digits than a number has, the last ones are lost. */
  readonly timeNano?: number;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
};

async function* lines(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((part) => part.trim() !== '');
  }
  if (rest.trim() !== '') yield rest;
}

function parseEntry(line: string): StreamEntry {
  try {
    return JSON.parse(line) as StreamEntry;
  } catch (cause) {
    throw new LoomsError('engine-rejected', `the engine's answer is not JSON: ${line.slice(0, 200)}`, { cause });
  }
}
