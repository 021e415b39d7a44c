import type { ServerResponse } from 'node:http';
import type { Load } from '../access/limits.ts';
import { failureText } from '../call.ts';
import { errorText, isRequest } from '../messages/message.ts';
import { code, type Message } from '../messages/protocol.ts';
import { createReply, type Stream } from '../messages/reply.ts';
import type { Session } from './session.ts';
import type { SessionPlace, Sessions } from './sessions.ts';

/** Clients of the HTTP+SSE transport (2024-11-05), which newer ones took the place of. */
export type OldSse = {
  /** Begins a session, and the stream for all that it says; false where there is no room for one. */
  readonly open: (place: SessionPlace, response: ServerResponse, load: Load) => boolean;
  /**
   * Takes what a client of such a session posted, so many bytes, which its stream's load has in it until it is over.
   */
  readonly take: (place: SessionPlace, id: string, message: Message, bytes: number) => Posted;
};

/** What became of what a client posted. */
export type Posted =
  | { readonly kind: 'taken'; readonly over: Promise<void> }
  /** Its session is none of its principal's, here. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'too-much' };

/** The session is over with its stream: there is no other way back to it. */
export function createOldSse(sessions: Sessions): OldSse {
  const streams = new Map<string, { readonly stream: Stream; readonly load: Load }>();
  return {
    open(place, response, load) {
      const stream = createReply(response, { load });
      // Nobody is there to hear of a session.
      if (!stream.isOpen()) return true;
      const session = sessions.open(place, {
        hear: (text, { id }) => void (id === undefined ? stream.tell(text) : stream.push(text)),
        isListening: () => stream.isOpen(),
        ended: stream.end,
      });
      if (session === undefined) return false;
      streams.set(session.id, { stream, load });
      stream.onleft = () => {
        streams.delete(session.id);
        sessions.end(session);
      };
      stream.begin();
      response.write(`event: endpoint\ndata: ${place.path}?sessionId=${session.id}\n\n`);
      return true;
    },
    take(place, id, message, bytes) {
      const session = sessions.find(id, place);
      const known = streams.get(id);
      if (session === undefined || known === undefined) return { kind: 'unknown' };
      const { stream, load } = known;
      const mayHold = load.add(bytes);
      const over = mayHold ? answered(session, stream, message) : undefined;
      if (over === undefined) load.remove(bytes);
      return over === undefined
        ? { kind: 'too-much' }
        : { kind: 'taken', over: over.finally(() => load.remove(bytes)) };
    },
  };
}

/** Takes a message, and answers it on the stream of its session. */
function answered(session: Session, stream: Stream, message: Message): Promise<void> {
  if (!isRequest(message)) return session.take(message);
  const answer = (text: string): void => void stream.push(text);
  if (message.method !== 'initialize') {
    return session.request(message, { ...stream, answer, begin: () => {}, end: () => {} });
  }
  return session.initialize(message).then(answer, (error: unknown) => answer(failureText(message.id, error)));
}

/** What a client is told whose session is over, or never was. */
export const noStream = (id: string | number | null): string =>
  errorText(id, code.invalidRequest, 'no such session, or its stream ended: begin with GET');
