import type { IncomingMessage } from 'node:http';
import type { Load } from '../access/limits.ts';

type Body =
  | { readonly text: string; readonly bytes: number }
  | { readonly status: 413; readonly why: string }
  | { readonly status: 429 };

/**
 * A whole body, or why it is not taken: it is longer than `maxBytes` (413), or its principal may have no more held (429).
 * Throws where its client went away.
 */
export const bodyOf = (request: IncomingMessage, maxBytes: number, load: Load): Promise<Body> =>
  // Listeners, as an iterator over a stream costs more than all that is done here.
  new Promise((resolve, reject) => {
    const left = (): void => reject(new Error('the client went away'));
    if (request.destroyed) return left();
    const parts: Buffer[] = [];
    let bytes = 0;
    const refuse = (why: Body): void => {
      parts.length = 0;
      request.off('data', take).resume();
      resolve(why);
    };
    const take = (part: Buffer): void => {
      bytes += part.length;
      if (bytes > maxBytes) refuse({ status: 413, why: `a body of more than ${maxBytes} bytes` });
      else if (!load.add(part.length)) refuse({ status: 429 });
      else parts.push(part);
    };
    request.on('data', take).on('error', reject);
    request.on('end', () => resolve({ text: Buffer.concat(parts).toString('utf8'), bytes }));
    request.on('close', left);
  });
