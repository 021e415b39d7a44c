import { PassThrough } from 'node:stream';
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { createExecFrames } from '../../../src/mcp/link/exec-frames.ts';
import { eventually } from '../../support/eventually.ts';

async function connect(frameLimit?: number) {
  const stdin = new PassThrough({ highWaterMark: 64 });
  const stdout = new PassThrough();
  let end = (_: { exitCode: number | null }) => {};
  const ended = new Promise<{ exitCode: number | null }>((resolve) => {
    end = resolve;
  });
  const seen: unknown[] = [];
  const stray: string[] = [];
  const process = { stdin, stdout, stderr: new PassThrough(), ended, destroy() {} };
  const transport = createExecFrames(process, { onStray: (line) => stray.push(line), onText: () => {} }, frameLimit);
  transport.onmessage = (message) => seen.push('method' in message ? message.method : message.id);
  transport.onclose = () => seen.push('closed');
  await transport.start();
  return { stdin, stdout, end, seen, stray, transport };
}

const answer = (id: number) => `${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n`;
const progress = `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: {} })}\n`;
const request: JSONRPCMessage = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { text: 'x'.repeat(1000) } };

describe('the transport over a process', () => {
  it('delivers all that was sent before the end, in order, and then closes once', async () => {
    const { stdout, seen, end } = await connect();
    stdout.end(`${answer(1)}${progress}${answer(2)}${progress}${progress}${answer(3)}`);
    end({ exitCode: 0 });
    const p = 'notifications/progress';
    await eventually(() => expect(seen).toEqual([1, p, 2, p, p, 3, 'closed']));
  });

  it('takes batches, byte order marks and carriage returns, and reports all else', async () => {
    const { stdout, seen, stray } = await connect();
    stdout.write(`\uFEFF${answer(1).trim()}\r\n[${answer(2).trim()},${answer(3).trim()}]\n[]\n[1]\n{"a":1}\nhello\n\n`);
    await eventually(() => expect(seen).toEqual([1, 2, 3]));
    expect(stray).toEqual(['[]', '[1]', '{"a":1}', 'hello']);
  });

  it('waits with the next message until the process took the last', async () => {
    const { stdin, transport } = await connect();
    let sent = false;
    const sending = transport.send(request).then(() => {
      sent = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBe(false);
    stdin.resume();
    await sending;
  });

  it('many messages that wait for the process to read wait together', async () => {
    const { stdin, transport } = await connect();
    const before = stdin.listenerCount('drain');
    const sending = Array.from({ length: 50 }, () => transport.send(request));
    expect(stdin.listenerCount('drain')).toBe(before + 1);
    stdin.resume();
    await Promise.all(sending);
    expect(stdin.listenerCount('drain')).toBe(before);
  });

  it('refuses to send to a process that is gone, without a rejection that nobody sees', async () => {
    const { stdin, transport } = await connect();
    stdin.destroy(new Error('broken pipe'));
    await eventually(() => expect(transport.send(request)).rejects.toMatchObject({ code: 'server-exited' }));
  });

  it('gives up at a message beyond the limit', async () => {
    const { stdout, transport, seen } = await connect(100);
    stdout.write(`${answer(1)}${'x'.repeat(200)}`);
    await eventually(() => expect(seen).toEqual([1, 'closed']));
    expect(transport.fatal()?.message).toBe('the server sent a message of more than 100 bytes');
  });

  it('only half-closes when it is closed', async () => {
    const { stdin, stdout, transport, seen } = await connect();
    await transport.close();
    expect(stdin.writableEnded).toBe(true);
    expect(stdout.destroyed).toBe(false);
    expect(transport.endedByPeer()).toBe(false);
    expect(seen).toEqual(['closed']);
  });
});
