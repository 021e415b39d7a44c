import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ownGrant } from '../../../../src/serve/access/guard.ts';
import { createLoads } from '../../../../src/serve/access/limits.ts';
import { beginEvents } from '../../../../src/serve/page/event-stream.ts';
import { createHub } from '../../../../src/serve/page/hub.ts';
import { createStreams } from '../../../../src/serve/page/streams.ts';
import { madeUpSource } from '../../../support/page-source.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

/** A request as a handler has it whose client leaves while it is awaited. */
async function leftMeanwhile() {
  const handled = Promise.withResolvers<{
    request: Parameters<typeof beginEvents>[0]['req'];
    response: ServerResponse;
  }>();
  const server = createServer(async (asked, response) => {
    response.once('close', () => handled.resolve({ request: asked, response }));
    client.destroy();
  }).listen(0, '127.0.0.1');
  open.push(() => server.close());
  await once(server, 'listening');
  const client = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => {}).end();
  return handled.promise;
}

test('a browser that left before its stream began takes no place, and nothing is watched for it', async () => {
  const { source, isWatched } = madeUpSource();
  const hub = createHub(source);
  open.push(hub.close);
  const streams = createStreams({ source, hub, loadOf: createLoads(), log: () => {} });
  for (let at = 0; at < 17; at += 1) {
    const { request: asked, response } = await leftMeanwhile();
    await streams.follow(asked, response, ownGrant);
    await streams.log(response, ownGrant, [], new URLSearchParams());
    expect(response.statusCode).not.toBe(429);
  }
  expect(isWatched()).toBe(false);
});

test('a stream whose browser has left is over from the beginning', async () => {
  const { response } = await leftMeanwhile();
  expect(beginEvents(response, createLoads()('ann', response)).over.aborted).toBe(true);
});
