import { LoomsError } from '../../model/errors.ts';

/**
 * Longest message taken from a server, bytes (answers with files or pictures exceed 64 KiB; docs/commands.md promises
 * 10 MB).
 */
export const maxFrameBytes = 10 * 1024 * 1024;

/** What ends a session whose server sent more than `limit` bytes as one message. */
export const frameTooLong = (limit: number): LoomsError =>
  new LoomsError('session-failed', `the server sent a message of more than ${limit} bytes`, {
    hint: 'ask for less at once, for example with a limit or a page argument of the tool',
  });
