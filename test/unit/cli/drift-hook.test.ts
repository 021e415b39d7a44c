import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { driftHook } from '../../../src/cli/run/drift-hook.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A server that answers with these, one after the other, and what it was sent as Authorization. */
async function hookServer(...statuses: readonly number[]) {
  const heard: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    response.writeHead(statuses[heard.length] ?? 200).end();
    heard.push(request.headers.authorization);
    server.emit('heard');
  });
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, heard, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The next thing that a hook to this target says it failed with. */
function hookTo(target: string) {
  const { signal } = new AbortController();
  let say = (_: string): void => {};
  const warned = new Promise<string>((resolve) => {
    say = resolve;
  });
  return { tell: driftHook(target, { warn: say, signal }), warned };
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
  const { server, heard, host } = await hookServer(503, 200);
  hookTo(`http://${host}/x`).tell('{}');
  await once(server, 'heard');
  await once(server, 'heard');
  expect(heard).toEqual([undefined, undefined]);
});
