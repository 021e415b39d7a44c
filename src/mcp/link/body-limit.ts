import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable, Transform } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createParser } from 'eventsource-parser';
import { frameTooLong, maxFrameBytes } from './link.ts';

/** `onText` hears the text of each message before it goes on; `ready` is waited for before more goes on. */
export type BodyHooks = { readonly onText: (text: string) => void; readonly ready: () => Promise<void> };

/** A response's body; `session-failed` for a message of over `limit` bytes: an event of a stream, else all of it. */
export function limitedBody(
  incoming: IncomingMessage,
  { onText, ready }: BodyHooks,
  limit: number = maxFrameBytes,
): Readable {
  const isStream = incoming.headers['content-type']?.startsWith('text/event-stream') === true;
  const count = isStream ? eventLength() : wholeLength();
  const texts = messageTexts(isStream, onText);
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (count(chunk) > limit) return done(frameTooLong(limit));
      texts.push(chunk);
      ready().then(() => done(null, chunk), done);
    },
    flush(done) {
      texts.end();
      done();
    },
  });
  // A failure shows on the body, which destroys what it reads from.
  pipeline(incoming, body, () => {});
  return body;
}

function wholeLength(): (chunk: Buffer) => number {
  let length = 0;
  return (chunk) => {
    length += chunk.length;
    return length;
  };
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Bytes of the longest event that a chunk belongs to. An empty line ends one; lines end with CR, LF or both. */
function eventLength(): (chunk: Buffer) => number {
  let length = 0;
  let lineIsEmpty = true;
  let afterReturn = false;
  return (chunk) => {
    let longest = 0;
    let from = 0;
    for (let at = nextLineEnd(chunk, 0); at !== -1; at = nextLineEnd(chunk, at + 1)) {
      const isSecondHalf = afterReturn && at === from && chunk[at] === lineFeed;
      lineIsEmpty &&= at === from;
      length += at + 1 - from;
      longest = Math.max(longest, length);
      if (!isSecondHalf) {
        if (lineIsEmpty) length = 0;
        lineIsEmpty = true;
      }
      afterReturn = chunk[at] === carriageReturn;
      from = at + 1;
    }
    if (from < chunk.length) {
      length += chunk.length - from;
      lineIsEmpty = false;
      afterReturn = false;
    }
    return Math.max(longest, length);
  };
}

function nextLineEnd(chunk: Buffer, from: number): number {
  const feed = chunk.indexOf(lineFeed, from);
  const part = feed === -1 ? chunk : chunk.subarray(0, feed);
  const ret = part.indexOf(carriageReturn, from);
  return ret === -1 ? feed : ret;
}

/** Hands on the text of each message in the body of a response: the data of each event of a stream, else all of it. */
function messageTexts(
  isStream: boolean,
  onText: (text: string) => void,
): { push: (chunk: Buffer) => void; end: () => void } {
  const decoder = new StringDecoder('utf8');
  if (isStream) {
    const parser = createParser({ onEvent: ({ data }) => onText(data) });
    return { push: (chunk) => parser.feed(decoder.write(chunk)), end: () => {} };
  }
  const parts: string[] = [];
  return { push: (chunk) => void parts.push(decoder.write(chunk)), end: () => onText(parts.join('')) };
}
