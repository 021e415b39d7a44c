import type { IncomingMessage } from 'node:http';
import type { Load } from '../access/limits.ts';

/** A whole body, or why it is not taken: it is longer than `maxBytes` (413), or its principal may have no more held (429). */
export async function bodyOf(
  request: IncomingMessage,
  maxBytes: number,
  load: Load,
): Promise<
  | { readonly text: string; readonly bytes: number }
  | { readonly status: 413; readonly why: string }
  | { readonly status: 429 }
> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > maxBytes) return { status: 413, why: `a body of more than ${maxBytes} bytes` };
    if (!load.add(part.length)) return { status: 429 };
    parts.push(part);
  }
  return { text: Buffer.concat(parts).toString('utf8'), bytes: length };
}
