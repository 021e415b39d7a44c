import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Circumstances } from './session-errors.ts';

/** What a request may take, ms, and how it is named when it fails. */
export type RequestBounds = {
  readonly phase: Circumstances['phase'];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
};

/** One conversation, as the parts of a session that ask something of the server see it. */
export type Requester = {
  /** The server's name in its spec, for messages. */
  readonly server: string;
  /** Bound of one page of a list, ms. */
  readonly listTimeoutMs: number;
  readonly offers: (capability: 'tools' | 'resources' | 'prompts') => boolean;
  /** Sends one request. Throws a `LoomsError` that says what became of it. */
  readonly request: (
    method: string,
    params: Readonly<Record<string, unknown>>,
    bounds: RequestBounds,
  ) => Promise<Readonly<Record<string, unknown>>>;
};

/** Pages of a list that are followed before a server counts as paging without end. */
const maxPages = 100;

/**
 * All items of a list, page by page. `key` is where a page holds them. A cursor that comes a second time ends the list.
 * Throws what `request` throws, and `session-failed` for a list without end or without items.
 */
export async function listAll(
  { server, listTimeoutMs, request }: Requester,
  method: string,
  key: string,
  signal?: AbortSignal,
): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  const cursors = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; page < maxPages; page++) {
    const params = cursor === undefined ? {} : { cursor };
    const result = await request(method, params, { phase: { list: method }, timeoutMs: listTimeoutMs, signal });
    const found = result[key];
    if (!Array.isArray(found)) {
      throw new LoomsError('session-failed', `${server} answered ${method} without a list of ${key}`);
    }
    items.push(...found);
    const next = result.nextCursor;
    if (typeof next !== 'string' || cursors.has(next)) return items;
    cursors.add(next);
    cursor = next;
  }
  throw new LoomsError('session-failed', `${server} sends ${method} in more than ${maxPages} pages`);
}

/** Items as objects, sorted by their text under `key`, as some servers do not. Throws `session-failed` for no text. */
export function identified<K extends string>(
  items: readonly unknown[],
  key: K,
  { server, what }: { readonly server: string; readonly what: string },
): readonly (Readonly<Record<string, unknown>> & { readonly [key in K]: string })[] {
  return items
    .map((item) => {
      const id = isRecord(item) ? item[key] : undefined;
      if (!isRecord(item) || typeof id !== 'string') {
        const shown = (JSON.stringify(item) ?? '').slice(0, 200);
        throw new LoomsError('session-failed', `${server} lists a ${what} without a ${key}: ${shown}`);
      }
      return { item: item as Readonly<Record<string, unknown>> & { readonly [key in K]: string }, id };
    })
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    .map(({ item }) => item);
}
