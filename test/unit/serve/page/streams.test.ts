import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ownGrant } from '../../../../src/serve/access/guard.ts';
import { createLoads } from '../../../../src/serve/access/limits.ts';
import { beginEvents, createSeats } from '../../../../src/serve/page/event-stream.ts';
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

test('others who hold many streams leave one for whoever comes late', () => {
  const seats = createSeats({ each: 16, all: 128 });
  const taken = Array.from({ length: 8 }, (_, of) => Array.from({ length: 16 }, () => seats.take(`token ${of}`)));
  expect(taken.map((those) => those.filter((place) => place !== undefined).length)).toEqual([
    16, 16, 16, 16, 16, 16, 16, 8,
  ]);
  expect(seats.take('late')).toBeTypeOf('function');
  expect(seats.take('token 0')).toBeUndefined();
});

test('the owner of the gateway has places, however many streams others have', async () => {
  const { source } = madeUpSource();
  const hub = createHub(source);
  open.push(hub.close);
  const streams = createStreams({ source, hub, loadOf: createLoads(), log: () => {} });
  const statuses: number[] = [];
  const server = createServer((asked, response) => {
    const name = String(asked.headers['x-name']);
    const grant = name === 'owner' ? ownGrant : { ...ownGrant, kind: 'token' as const, name };
    streams.follow(asked, response, grant);
  }).listen(0, '127.0.0.1');
  open.push(() => server.close());
  await once(server, 'listening');
  const follow = async (name: string): Promise<number> => {
    const { port } = server.address() as AddressInfo;
    const client = request({ port, host: '127.0.0.1', headers: { 'x-name': name } }).on('error', () => {});
    open.push(() => client.destroy());
    client.end();
    const [{ statusCode }] = await once(client, 'response');
    return statusCode;
  };
  for (let of = 0; of < 13; of += 1) for (let at = 0; at < 16; at += 1) statuses.push(await follow(`token ${of}`));
  expect(statuses.filter((status) => status === 200)).toHaveLength(128);
  expect(await follow('late')).toBe(429);
  expect(await follow('owner')).toBe(200);
});
