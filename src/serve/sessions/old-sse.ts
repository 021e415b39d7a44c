import type { ServerResponse } from 'node:http';
import { failureText } from '../call.ts';
import { errorText, isRequest } from '../messages/message.ts';
import { code, type Message } from '../messages/protocol.ts';
import { createReply, type Reply } from '../messages/reply.ts';
import type { SessionPlace, Sessions } from './sessions.ts';

/** Clients of the HTTP+SSE transport (2024-11-05), which newer ones took the place of. */
export type OldSse = {
  /** Begins a session, and the stream for all that it says; false where there is no room for one. */
  readonly open: (place: SessionPlace, response: ServerResponse) => boolean;
  /**
   * Takes what a client of such a session posted, and resolves when it is over; undefined for a session that is none of its
   * principal's, here.
   */
  readonly take: (place: SessionPlace, id: string, message: Message) => Promise<void> | undefined;
};

/** The session is over with its stream: there is no other way back to it. */
export function createOldSse(sessions: Sessions): OldSse {
  const streams = new Map<string, Reply>();
  return {
    open(place, response) {
      const stream = createReply(response);
      const session = sessions.open(place, {
        hear: (text) => void stream.tell(text),
        isListening: () => stream.isOpen(),
        ended: stream.end,
      });
      if (session === undefined) return false;
      streams.set(session.id, stream);
      stream.onleft = () => {
        streams.delete(session.id);
        sessions.end(session);
      };
      stream.begin();
      response.write(`event: endpoint\ndata: ${place.path}?sessionId=${session.id}\n\n`);
      return true;
    },
    take(place, id, message) {
      const session = sessions.find(id, place);
      const stream = streams.get(id);
      if (session === undefined || stream === undefined) return undefined;
      if (!isRequest(message)) return session.take(message);
      const reply: Reply = { ...stream, answer: (text) => void stream.tell(text), begin: () => {}, end: () => {} };
      if (message.method !== 'initialize') return session.request(message, reply);
      return session.initialize(message).then(
        (text) => void stream.tell(text),
        (error: unknown) => void stream.tell(failureText(message.id, error)),
      );
    },
  };
}

/** What a client is told whose session is over, or never was. */
export const noStream = (id: string | number | null): string =>
  errorText(id, code.invalidRequest, 'no such session, or its stream ended: begin with GET');
