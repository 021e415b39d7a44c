import type { ServerName } from '../../model/ids.ts';
import { parseExactly } from '../../model/values/exact-number.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Grant, Guards } from '../access/guard.ts';
import type { Limits } from '../access/limits.ts';
import { oneServer } from '../face.ts';
import { errorText } from '../messages/message.ts';
import { code, envelopeKeys, type Fields, type Message, modernRevision } from '../messages/protocol.ts';
import type { Reply } from '../messages/reply.ts';
import type { Stateless } from '../stateless/stateless.ts';
import type { Upstreams } from '../upstreams.ts';

/** A request to a server. */
export type Question = { readonly method: string; readonly params: Fields };
export type Answer = { readonly status: number; readonly message: Message; readonly text: string };

/**
 * Asks a server as a client of 2026-07-28 does, for somebody: filter, rules, limits and audit are those of any client. The
 * status is that of HTTP, 429 where they take too much. What nobody waits for any more is cancelled. `whoCounts` is the
 * principal whose limits the request is counted on where that is another one than whose rights hold; null for a part of
 * what is counted already. Does not throw.
 */
export type Ask = (
  grant: Grant,
  server: ServerName,
  question: Question,
  left: AbortSignal,
  whoCounts?: string | null,
) => Promise<Answer>;

type Asking = {
  readonly stateless: Stateless;
  readonly upstreams: Upstreams;
  readonly guardOf: Guards;
  readonly limits: Limits;
  /** Of looms. */
  readonly version: string;
};

/** Asks through what serves clients of 2026-07-28; who may what, and how much, is said by `guardOf` and `limits`. */
export function createAsk({ stateless, upstreams, guardOf, limits, version }: Asking): Ask {
  let lastId = 0;
  return async (grant, server, { method, params }, left, whoCounts = grant.name) => {
    lastId += 1;
    // A signal that has aborted tells nobody any more.
    if (left.aborted) return answerOf(errorText(lastId, code.internal, 'the client went away'), 502);
    const guard = guardOf(grant);
    const taken = whoCounts === null ? undefined : limits.take(whoCounts, method === 'tools/call');
    if (taken?.taken === false) return answerOf(errorText(lastId, code.invalidRequest, taken.why), 429);
    const _meta = {
      [envelopeKeys.revision]: modernRevision,
      [envelopeKeys.clientInfo]: { name: 'looms page', version },
      // A person watches its calls. All that it asks declares the same: for others a server would have a conversation more.
      [envelopeKeys.capabilities]: { elicitation: { form: {} } },
    };
    const message = { jsonrpc: '2.0', id: lastId, method, params: { ...params, _meta } } as const;
    const place = {
      principal: guard.key,
      guard,
      path: `/mcp/${server}`,
      faceOf: (heard: Parameters<typeof oneServer>[2]) => oneServer(server, upstreams, heard),
    };
    try {
      return await new Promise((resolve) => {
        const { reply, ended } = awaited(resolve, left);
        void stateless.request({ ...place, server, message, revision: modernRevision }, reply).finally(ended);
      });
    } finally {
      taken?.done();
    }
  };
}

/** A reply that nobody reads as it comes: its answer is what counts. */
function awaited(
  resolve: (answer: Answer) => void,
  left: AbortSignal,
): { readonly reply: Reply; readonly ended: () => void } {
  let isOver = false;
  const leave = (): void => reply.onleft?.();
  const give = (answer: Answer): void => {
    isOver = true;
    left.removeEventListener('abort', leave);
    resolve(answer);
  };
  const ended = (): void => {
    if (isOver) return;
    give(answerOf(errorText(0, code.internal, 'the request ended without an answer'), 502));
  };
  const reply: Reply = {
    tell: () => true,
    answer: (text, status = 200) => give(answerOf(text, status)),
    begin: () => {},
    end: ended,
    isOpen: () => !isOver && !left.aborted,
  };
  left.addEventListener('abort', leave, { once: true });
  return { reply, ended };
}

function answerOf(text: string, status: number): Answer {
  const message = parseExactly(text);
  return {
    status,
    message: isRecord(message) ? ({ ...message, jsonrpc: '2.0' } as Message) : { jsonrpc: '2.0' },
    text,
  };
}
