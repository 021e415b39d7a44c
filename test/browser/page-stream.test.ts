import { afterEach, expect, test, vi } from 'vitest';
import type { Gateway } from '../../web/talk/request.ts';
import { followStream, type StreamState } from '../../web/talk/stream.ts';

afterEach(() => vi.unstubAllGlobals());

/** A gateway that sends one event after another, each over a connection of its own. */
function telling(...texts: readonly string[]) {
  const asked: (string | undefined)[] = [];
  const gateway: Gateway = {
    ask: () => Promise.reject(new Error('is not asked')),
    open: async (_path, after) => {
      const text = texts[asked.length];
      asked.push(after);
      return text === undefined
        ? new Response('{"error":{"code":"not-found","message":"that is all"}}', { status: 404 })
        : new Response(`id: ${asked.length}\nevent: state\ndata: ${text}\n\n`);
    },
  };
  return { gateway, asked };
}

async function followed(gateway: Gateway, event: (text: string) => void) {
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  const states: StreamState[] = [];
  const hooks = {
    event: ({ data }: { data: string }) => event(data),
    state: (state: StreamState) => states.push(state),
  };
  const outcome = await followStream(gateway, '/page/stream', hooks, new AbortController().signal).catch(
    (error: unknown) => error,
  );
  return { states, outcome };
}

test('a stream goes on behind the last event where it ended, until the gateway refuses it', async () => {
  const { gateway, asked } = telling('1', '2');
  const heard: string[] = [];
  const { states } = await followed(gateway, (text) => void heard.push(text));
  expect(heard).toEqual(['1', '2']);
  expect(asked).toEqual([undefined, '1', '2']);
  expect(states.at(-1)).toMatchObject({ is: 'over', refusal: { message: 'that is all' } });
});

test('an event that cannot be shown is no lost connection: it is told, and nothing behind it is left out', async () => {
  const { gateway, asked } = telling('{', '2');
  const { states, outcome } = await followed(gateway, (text) => void JSON.parse(text));
  expect(outcome).toBeInstanceOf(SyntaxError);
  expect(asked).toEqual([undefined]);
  expect(states.at(-1)).toMatchObject({ is: 'over', refusal: { code: 'page-failed', hint: 'load the page again' } });
});
