import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { driftHook } from '../../../src/cli/run/drift-hook.ts';
import { eventually } from '../../support/eventually.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A server that answers with these, one after the other, and what it was sent as Authorization. */
async function hookServer(...statuses: readonly number[]) {
  const heard: (string | undefined)[] = [];
  const ids: unknown[] = [];
  const server = createServer((request, response) => {
    response.writeHead(statuses[heard.length] ?? 200).end();
    heard.push(request.headers.authorization);
    ids.push(request.headers['webhook-id']);
    server.emit('heard');
  });
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, heard, ids, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The next thing that a hook to this target says it failed with. */
function hookTo(target: string, limitMs?: number) {
  const { signal } = new AbortController();
  let say = (_: string): void => {};
  const warned = new Promise<string>((resolve) => {
    say = resolve;
  });
  const headersOf = async (body: string) => ({ 'webhook-id': `of ${body}` });
  return {
    tell: driftHook(target, {
      warn: ({ message }) => say(message),
      signal,
      headersOf,
      ...(limitMs === undefined ? {} : { limitMs }),
    }),
    warned,
  };
}

test('the name and password of a URL go into a header', async () => {
  const { server, heard, host } = await hookServer(200);
  hookTo(`http://ann:p%40ss%20w%C3%B6rd@${host}/x`).tell('{}');
  await once(server, 'heard');
  expect(heard).toEqual([`Basic ${Buffer.from('ann:p@ss wörd').toString('base64')}`]);
});

test('what a hook failed with has no password in it', async () => {
  const { heard, host } = await hookServer(403);
  const refused = hookTo(`http://ann:hunter2@${host}/x`);
  refused.tell('{}');
  expect(await refused.warned).toBe('--on-drift failed: it answered 403');
  expect(heard).toHaveLength(1);
  const wrong = hookTo('https://ann:hunter2@nowhere:port/x');
  wrong.tell('{}');
  expect(await wrong.warned).toBe('--on-drift failed: it is no URL');
});

test('a server that says that the fault is its own is asked again, and without a name there is no header', async () => {
  const { server, heard, ids, host } = await hookServer(503, 200);
  hookTo(`http://${host}/x`).tell('{}');
  await once(server, 'heard');
  await once(server, 'heard');
  expect(heard).toEqual([undefined, undefined]);
  // It is the same message.
  expect(ids).toEqual(['of {}', 'of {}']);
});

test('a command that takes too long is ended with all that it started', async () => {
  const seconds = `1000${process.pid}`;
  const { tell, warned } = hookTo(`sleep ${seconds} | cat`, 500);
  tell('{}');
  expect(await warned).toBe('--on-drift failed: it took more than 0.5 s');
  await eventually(async () => {
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8', maxBuffer: 2 ** 26 })).not.toContain(
      `sleep ${seconds}`,
    );
  });
});

test('what a command writes to its standard error is told by whoever tells warnings, the end of it', async () => {
  const { tell, warned } = hookTo(`printf '%5000s' x >&2; printf '\\033[31mred' >&2`);
  tell('{}');
  const text = await warned;
  expect(text).toBe('--on-drift: x\u001b[31mred');
});

test('a URL is one however it is written, and never a command', async () => {
  const { server, heard, host } = await hookServer(200);
  hookTo(`HTTP://${host}/x`).tell('{}');
  await once(server, 'heard');
  expect(heard).toHaveLength(1);
});
