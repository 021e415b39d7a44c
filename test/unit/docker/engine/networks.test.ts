import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import type { Client } from '../../../../src/docker/engine/connection/connection.ts';
import { createNetwork } from '../../../../src/docker/engine/listing/networks.ts';

/** The body by which a network is asked for; the engine answers with this status, and with the reason of a refusal. */
async function askedFor(ipv6: boolean | undefined, status = 201, message = ''): Promise<unknown> {
  let body: unknown;
  const server = createServer(async (asked, answer) => {
    const network = { Id: 'n', Name: 'looms-shop', Labels: { 'looms.project': 'shop' } };
    if (asked.method !== 'POST') return answer.end(JSON.stringify([network, { ...network, Id: 'o', Name: 'other' }]));
    body = await json(asked);
    return answer.writeHead(status).end(JSON.stringify({ Id: 'n', message }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = new Agent();
  const target = { request, agent, options: { host: '127.0.0.1', port } };
  const client = {
    target,
    engine: { apiVersion: '1.41' },
    agree: async () => {},
    limitMs: 20_000,
  } as unknown as Client;
  const shape = { name: 'looms-shop', driver: 'bridge', internal: true, options: {} };
  try {
    await createNetwork(client, { ...shape, ...(ipv6 === undefined ? {} : { ipv6 }) }, { 'looms.project': 'shop' });
    return body;
  } finally {
    agent.destroy();
    server.close();
  }
}

it('asks for a network without IPv6 in so many words: left out, it is what the engine gives new networks', async () => {
  expect(await askedFor(false)).toMatchObject({ Name: 'looms-shop', EnableIPv6: false });
  expect(await askedFor(undefined)).not.toHaveProperty('EnableIPv6');
});

it.each([
  ['Engine 20.10', 404, 'could not find an available, non-overlapping IPv4 address pool among the defaults'],
  ['Engine 28', 400, 'all predefined address pools have been fully subnetted'],
])('says what helps where the engine has no address pool left (%s)', async (_, status, message) => {
  await expect(askedFor(false, status, message)).rejects.toMatchObject({
    message: expect.stringContaining(message),
    hint: expect.stringMatching(/networks beside this one: 1.*default-address-pools/),
  });
});
