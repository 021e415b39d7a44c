import { setImmediate as turn } from 'node:timers/promises';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import type { PageLogLine } from '../../model/page/past.ts';
import type { EventStream } from './event-stream.ts';
import { grepFor } from './grep.ts';
import { asPageError, type PageSource } from './source.ts';
import { toldOf } from './terms.ts';

/** Lines of the past that are told: where nothing is said, and at most. */
const usualTail = 500;
const mostTail = 2_000;
/** Lines that are looked through at once. */
const batch = 200;

/** What is asked for in the address of a log. */
export type LogWish = {
  readonly servers: readonly ServerName[];
  readonly grep: string | undefined;
  readonly since: string | undefined;
  readonly tail: number | undefined;
};

/** The wish of an address, without its servers. Throws `usage`. */
export function logWishOf(query: URLSearchParams): Omit<LogWish, 'servers'> {
  const tail = query.get('tail');
  if (tail !== null && !/^[1-9]\d{0,5}$/.test(tail))
    throw new LoomsError('usage', `tail=${tail} is no number of lines`);
  return {
    grep: query.get('grep') || undefined,
    since: query.get('since') || undefined,
    tail: tail === null ? undefined : Math.min(Number(tail), mostTail),
  };
}

/**
 * Opens what is told of logs: it throws at once what is wrong with the wish. What it gives back tells the lines of the past
 * that fit, the newest of them, and then those that come, as fast as they are taken; why it ended is told last. `log` hears
 * of failures of the gateway's own.
 */
export function openLog(
  source: PageSource,
  { servers, grep, since, tail = usualTail }: LogWish,
  log: (text: string) => void,
): (stream: EventStream, isValid: () => boolean) => Promise<void> {
  const found = grep === undefined ? undefined : grepFor(grep);
  return async (stream, isValid) => {
    const tell = async (line: PageLogLine): Promise<void> => {
      stream.send({ event: 'line', data: source.mask(JSON.stringify(line)) });
      await stream.taken();
    };
    /** The newest lines of the past that fit, before they are told. */
    let past: PageLogLine[] | undefined = [];
    let unread: PageLogLine[] = [];
    const sift = async (): Promise<readonly PageLogLine[]> => {
      const lines = unread;
      unread = [];
      if (found === undefined || lines.length === 0) return lines;
      // Requests of others come in between.
      await turn();
      const fits = found(lines.map(({ text }) => text));
      return lines.filter((_, at) => fits[at]);
    };
    try {
      // Where all of it is looked through, more than the end of each log has to be read.
      const query = { servers, ...(since === undefined ? {} : { since }), ...(found === undefined ? { tail } : {}) };
      for await (const line of source.log(query, stream.over)) {
        if (!isValid()) throw new LoomsError('insufficient-scope', 'the token is no longer valid');
        if (line !== 'live') unread.push(line);
        if (past !== undefined) {
          if (line !== 'live' && unread.length < batch) continue;
          past = [...past, ...(await sift())].slice(-tail);
          if (line !== 'live') continue;
          for (const one of past) await tell(one);
          past = undefined;
          stream.send({ event: 'live', data: JSON.stringify({ at: new Date().toISOString() }) });
        } else {
          for (const one of await sift()) await tell(one);
        }
      }
    } catch (error) {
      if (stream.over.aborted) return;
      stream.send({ event: 'end', data: source.mask(JSON.stringify(asPageError(toldOf(error, log)))) });
    }
    stream.end();
  };
}
