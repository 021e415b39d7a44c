import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { headerProblem } from '../../../src/mcp/client/arguments/param-headers.ts';
import { createCallClocks } from '../../../src/mcp/client/call-clock.ts';
import { limitedBody } from '../../../src/mcp/link/body-limit.ts';

const hooks = { onText: () => {}, ready: async () => undefined };

/** What comes through of a body in these chunks; `too long` at the end where it broke off. */
async function read(type: string, chunks: readonly string[], limit: number): Promise<string> {
  const incoming = Object.assign(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), {
    headers: { 'content-type': type },
  });
  let text = '';
  try {
    for await (const chunk of limitedBody(incoming as unknown as IncomingMessage, hooks, limit)) text += chunk;
  } catch (error) {
    return `${text}${error instanceof Error && error.message.includes(`more than ${limit} bytes`) ? 'too long' : error}`;
  }
  return text;
}

describe('the body of a response', () => {
  it('may be as long as the limit as a whole', async () => {
    expect(await read('application/json', ['12345', '67890'], 10)).toBe('1234567890');
    expect(await read('application/json', ['12345', '67890', '1'], 10)).toMatch(/too long$/);
  });

  it.each(['\n', '\r\n', '\r'])(
    'may go on for ever in a stream of short events, with lines that end in %j',
    async (end) => {
      const event = `data: 1234${end}id: 1${end}${end}`;
      const stream = event.repeat(50);
      expect(await read('text/event-stream', [stream], 30)).toBe(stream);
      expect(await read('text/event-stream; charset=utf-8', [...stream], 30)).toBe(stream);
    },
  );

  it('breaks off at an event that is too long, however it is cut', async () => {
    const long = `data: ok\n\ndata: ${'x'.repeat(40)}\n\n`;
    expect(await read('text/event-stream', [long], 30)).toBe('too long');
    expect(await read('text/event-stream', [...long], 30)).toBe('too long');
    expect(await read('text/event-stream', [`${'data: 1234567\n'.repeat(5)}\n`], 30)).toBe('too long');
  });
});

describe('the bound of a call', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('stands still while a question is open', async () => {
    const clocks = createCallClocks(
      () => new Error('late'),
      () => Date.now(),
    );
    const { signal } = clocks.start(1_000);
    await vi.advanceTimersByTimeAsync(600);
    await clocks.whileHeld(() => vi.advanceTimersByTimeAsync(10_000));
    await vi.advanceTimersByTimeAsync(300);
    expect(signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(signal.reason).toMatchObject({ message: 'late' });
  });

  it('stands still until the last of several questions, also for a call that begins meanwhile', async () => {
    const clocks = createCallClocks(
      () => new Error('late'),
      () => Date.now(),
    );
    const first = clocks.whileHeld(() => vi.advanceTimersByTimeAsync(100));
    const second = clocks.whileHeld(() => vi.advanceTimersByTimeAsync(5_000));
    const { signal } = clocks.start(1_000);
    await Promise.all([first, second]);
    expect(signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(signal.aborted).toBe(true);
  });

  it('is over with its call', async () => {
    const clock = createCallClocks(
      () => new Error('late'),
      () => Date.now(),
    ).start(1_000);
    clock.stop();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(clock.signal.aborted).toBe(false);
  });
});

describe('a tool whose arguments go into headers', () => {
  const tool = (...properties: object[]) => ({
    inputSchema: { type: 'object', properties: Object.fromEntries(properties.map((one, index) => [`p${index}`, one])) },
  });
  const header = (name: unknown, type = 'string') => ({ type, 'x-mcp-header': name });

  it.each([
    ['no header', tool({ type: 'string' })],
    ['several headers', tool(header('Region'), header('Priority', 'integer'), header('Debug', 'boolean'))],
  ])('can be called with %s', (_, one) => {
    expect(headerProblem(one)).toBeUndefined();
  });

  it.each([
    ['', tool(header(''))],
    ['a space', tool(header('My Region'))],
    ['a letter beyond ASCII', tool(header('Région'))],
    ['a number', tool(header('Score', 'number'))],
    ['an object', tool(header('Data', 'object'))],
    ['one name twice', tool(header('Region'), header('REGION'))],
    ['a name twice, deeper down', tool(header('A'), { type: 'object', properties: { deep: header('a') } })],
  ])('cannot be called with %s', (_, one) => {
    expect(headerProblem(one)).toMatch(/^its argument .* has the x-mcp-header /);
  });
});
