import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Leg } from '../leg/leg.ts';
import type { Answered } from '../leg/line.ts';
import type { Fields, HeaderFields, Message } from './protocol.ts';

// Lists that the gateway asks for itself: a server that pages without end, or says nothing, must neither fill it nor hold
// up the request that they are asked for.

/** Pages of one list that are followed, and characters of all of them, before a server counts as one without end. */
const mostPages = 100;
const mostText = 16 * 1024 * 1024;

type Page = Pick<Answered, 'text' | 'message'>;

/** Whose list it is, and how long all of it may take, ms. */
type Listing = { readonly server: ServerName; readonly method: string; readonly limitMs: number };

/**
 * The pages of a list, one after another. `ask` gets what names the page in the request, and the ms that are left; it
 * resolves with undefined where there is no such list. A cursor that comes a second time ends the list. Throws
 * `call-timeout`, `session-failed` for a list without end, and what `ask` throws.
 */
export async function* pagesOf<P extends Page>(
  { server, method, limitMs }: Listing,
  ask: (page: Fields, leftMs: number) => Promise<P | undefined>,
): AsyncGenerator<P> {
  const deadline = performance.now() + limitMs;
  const cursors = new Set<string>();
  let length = 0;
  let next: Fields = {};
  for (let page = 0; page < mostPages; page += 1) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) throw tooLate(server, method);
    const one = await ask(next, leftMs);
    if (one === undefined) return;
    length += one.text.length;
    if (length > mostText) {
      throw new LoomsError('session-failed', `${server} sends more than ${mostText / 1024 / 1024} MiB for ${method}`);
    }
    yield one;
    const cursor = isRecord(one.message.result) ? one.message.result.nextCursor : undefined;
    if (typeof cursor !== 'string' || cursors.has(cursor)) return;
    cursors.add(cursor);
    next = { cursor };
  }
  throw new LoomsError('session-failed', `${server} sends ${method} in more than ${mostPages} pages`);
}

/** What a request of our own says beside its parameters. */
type Said = { readonly meta?: Fields; readonly headers?: HeaderFields };

/** The pages of a list of the server of a leg, all of them within the bound of a handshake. Throws as `pagesOf`. */
export async function* ownPages(leg: Leg, method: string, { meta, headers }: Said = {}): AsyncGenerator<Answered> {
  const { spec } = await leg.ready();
  const limitMs = spec.mcp.timeoutSeconds * 1000;
  const own = meta === undefined ? {} : { _meta: meta };
  yield* pagesOf({ server: leg.server, method, limitMs }, (page, leftMs) =>
    askWithin(leg, { jsonrpc: '2.0', method, params: { ...own, ...page } }, leftMs, headers),
  );
}

/** Asks within the bound of a handshake: one that never answers must not keep its session busy. */
export async function askBounded(leg: Leg, message: Message): Promise<Answered> {
  const { spec } = await leg.ready();
  return askWithin(leg, message, spec.mcp.timeoutSeconds * 1000);
}

function askWithin(leg: Leg, message: Message, limitMs: number, headers?: Said['headers']): Promise<Answered> {
  const asked = leg.ask(message, headers);
  const timer = setTimeout(() => asked.cancel(tooLate(leg.server, message.method)), limitMs);
  return asked.answer.finally(() => clearTimeout(timer));
}

const tooLate = (server: ServerName, method = ''): LoomsError =>
  new LoomsError('call-timeout', `${server} did not answer ${method} in time`);
