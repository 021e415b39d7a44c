import { expect, test, vi } from 'vitest';
import type { Session, SessionSource } from '../../../src/mcp/client/session.ts';
import { warmSessions } from '../../../src/mcp/client/warm-sessions.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { localEngine, targetFor } from './local-engine.ts';

const target = targetFor(localEngine().engine, ['true']);
/** A session whose list of tools is as slow as whoever asks for it says. */
const fakeSession = (listTools: () => Promise<unknown>): Session & { readonly close: ReturnType<typeof vi.fn> } => {
  const close = vi.fn(async () => {});
  return { capabilities: { tools: {} }, listTools, close } as unknown as Session & { readonly close: typeof close };
};

test('a session that is given back is used where opening another one fails while it shows that it is there', async () => {
  const proof = Promise.withResolvers<unknown>();
  const listTools = vi.fn(() => proof.promise);
  const first = fakeSession(listTools);
  const second = Promise.withResolvers<Session>();
  const source = vi.fn<SessionSource>().mockResolvedValueOnce(first).mockReturnValueOnce(second.promise);
  const warm = warmSessions(source, { idleMs: 60_000, most: 2 });
  const user = await warm.open(target);
  const next = warm.open(target);
  await eventually(() => expect(source).toHaveBeenCalledTimes(2));
  user.close();
  await eventually(() => expect(listTools).toHaveBeenCalled());
  second.reject(new LoomsError('session-failed', 'the container has no room'));
  proof.resolve([]);
  const given = await next;
  await given.close();
  expect(first.close).not.toHaveBeenCalled();
  await warm.close();
  expect(first.close).toHaveBeenCalledOnce();
});

test('one that does not show it is ended, and what opening failed with is said', async () => {
  const proof = Promise.withResolvers<unknown>();
  const listTools = vi.fn(() => proof.promise);
  const first = fakeSession(listTools);
  const second = Promise.withResolvers<Session>();
  const source = vi.fn<SessionSource>().mockResolvedValueOnce(first).mockReturnValueOnce(second.promise);
  const warm = warmSessions(source, { idleMs: 60_000, most: 2 });
  const user = await warm.open(target);
  const next = warm.open(target);
  next.catch(() => {});
  await eventually(() => expect(source).toHaveBeenCalledTimes(2));
  user.close();
  await eventually(() => expect(listTools).toHaveBeenCalled());
  second.reject(new LoomsError('session-failed', 'the container has no room'));
  proof.reject(new LoomsError('server-exited', 'it is gone'));
  await expect(next).rejects.toThrow('no room');
  expect(first.close).toHaveBeenCalledOnce();
});
