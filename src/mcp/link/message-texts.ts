import { StringDecoder } from 'node:string_decoder';
import { createParser } from 'eventsource-parser';

/** Hears a body as it comes. */
export type BodyListener = { readonly push: (chunk: Buffer) => void; readonly end: () => void };

/** Hands on the text of each message in the body of a response: the data of each event of a stream, else all of it. */
export function messageTexts(isStream: boolean, onText: (text: string) => void): BodyListener {
  const decoder = new StringDecoder('utf8');
  if (isStream) {
    const parser = createParser({ onEvent: ({ data }) => onText(data) });
    return { push: (chunk) => parser.feed(decoder.write(chunk)), end: () => {} };
  }
  const parts: string[] = [];
  return { push: (chunk) => void parts.push(decoder.write(chunk)), end: () => onText(parts.join('')) };
}
