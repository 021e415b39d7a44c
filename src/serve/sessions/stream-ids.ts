import { createHash } from 'node:crypto';
import type { Id } from '../messages/protocol.ts';
import type { Seal } from './seal.ts';

/** The ids of events: what a client says when it comes back for the rest of a stream that broke (`Last-Event-ID`). */
export type StreamIds = {
  /** Of the stream with the answer to this request of a session. */
  readonly of: (sessionId: string, request: Id) => string;
  /** The request whose stream has this id; undefined for one that is none, or of another session. */
  readonly requestIn: (sessionId: string, eventId: string) => Id | undefined;
};

/** Sealed, so that a client asks for its own requests only, and a later gateway knows them as well. */
export function createStreamIds(seal: Seal): StreamIds {
  const digestOf = (sessionId: string): string => createHash('sha256').update(sessionId).digest('base64url');
  return {
    of: (sessionId, request) => seal.close('stream', { session: digestOf(sessionId), request }),
    requestIn(sessionId, eventId) {
      const { session, request } = seal.open('stream', eventId) ?? {};
      const isId = typeof request === 'string' || typeof request === 'number';
      return isId && session === digestOf(sessionId) ? request : undefined;
    },
  };
}
