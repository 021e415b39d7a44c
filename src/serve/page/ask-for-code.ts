import { lstatSync } from 'node:fs';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { isRecord } from '../../model/values/is-record.ts';

/** Where the page of a gateway is, with a code that logs in there once, within a minute. */
export type PageLogin =
  | { readonly kind: 'code'; readonly url: string; readonly code: string }
  /** The gateway listens on its socket alone, where no browser gets to. */
  | { readonly kind: 'socket-only' };

/** How long a gateway may take to answer, ms. */
const answerMs = 5_000;

/**
 * Asks the gateway that listens on a socket for a way to log in to its page. Undefined where none listens, where whoever
 * does is somebody else's, or knows nothing of a page.
 */
export async function askForCode(socket: string): Promise<PageLogin | undefined> {
  try {
    if (process.getuid !== undefined && lstatSync(socket).uid !== process.getuid()) return undefined;
    const answer = await new Promise<unknown>((resolve, reject) => {
      const asked = request(
        { socketPath: socket, path: '/page/code', method: 'POST', signal: AbortSignal.timeout(answerMs) },
        (response) => {
          if (response.statusCode === 200) json(response).then(resolve, reject);
          else reject(new Error(`HTTP ${response.statusCode}`));
        },
      );
      asked.on('error', reject).end();
    });
    if (!isRecord(answer)) return undefined;
    const { url, code } = answer;
    if (typeof url === 'string' && typeof code === 'string') return { kind: 'code', url, code };
    return { kind: 'socket-only' };
  } catch {
    // Whoever asks says which command starts one.
    return undefined;
  }
}
