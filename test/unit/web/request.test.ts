import { afterEach, expect, test, vi } from 'vitest';
import { gatewayWith } from '../../../web/talk/request.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Answers as browsers do: what outlives its page has at most 64 KiB. */
function browser() {
  const sent: (boolean | undefined)[] = [];
  vi.stubGlobal(
    'fetch',
    async (_: string, { body, keepalive }: { readonly body?: string; readonly keepalive?: boolean }) => {
      if (keepalive === true && Buffer.byteLength(body ?? '') > 65_536) throw new TypeError('Failed to fetch');
      sent.push(keepalive);
      return new Response('{}');
    },
  );
  return sent;
}

test('what a page sends as it goes outlives it, and is sent all the same where it is too large for that', async () => {
  const sent = browser();
  const { ask } = gatewayWith(
    () => 'key',
    () => {},
  );
  const send = async (text: string) => (await ask('POST', '/page/call', { text }, { outlives: true })).done;
  expect(await send('small')).toBe(true);
  expect(await send('ü'.repeat(40_000))).toBe(true);
  expect(sent).toEqual([true, false]);
});
