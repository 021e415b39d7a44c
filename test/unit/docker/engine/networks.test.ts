import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import type { Client } from '../../../../src/docker/engine/connection/connection.ts';
import { createNetwork } from '../../../../src/docker/engine/listing/networks.ts';

/** The body by which a network is asked for. */
async function askedFor(ipv6: boolean | undefined): Promise<unknown> {
  let body: unknown;
  const server = createServer(async (asked, answer) => {
    if (asked.method === 'POST') body = await json(asked);
    const network = { Id: 'n', Name: 'looms-shop', Labels: { 'looms.project': 'shop' } };
    answer.end(JSON.stringify(asked.method === 'POST' ? { Id: 'n' } : [network]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = new Agent();
  const target = { request, agent, options: { host: '127.0.0.1', port } };
  const client = { target, engine: { apiVersion: '1.41' }, limitMs: 20_000 } as unknown as Client;
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
