import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openChannel } from '../../../src/mcp/link/open-channel.ts';
import { openLink } from '../../../src/mcp/link/open-link.ts';
import type { McpSpec } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asServerName, type ServerName } from '../../../src/model/ids.ts';
import { createGateway, type Gateway } from '../../../src/serve/gateway.ts';
import { createSeal, type Seal } from '../../../src/serve/sessions/seal.ts';
import type { SessionNotes } from '../../../src/serve/sessions/sessions.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';
import { fixture, localEngine, targetFor } from '../mcp/local-engine.ts';

export const modern = '2026-07-28';
export type Era = 'legacy' | 'modern';
export type Backend = { readonly argv: readonly string[]; readonly mcp: Partial<McpSpec> };

const engine = localEngine();
const node = (file: string, mcp: Partial<McpSpec>, ...flags: string[]): Backend => ({
  argv: [process.execPath, fixture(file), ...flags],
  mcp,
});
const backends = new Map<string, Backend>([
  ['legacy', node('all-legacy.mjs', { protocol: 'auto' })],
  ['modern', node('all-modern.mjs', { protocol: 'auto' })],
  ['exact-legacy', node('exact.mjs', { protocol: 'legacy' })],
  ['exact-modern', node('exact.mjs', { protocol: modern }, '--modern')],
]);

/** Servers of both eras as processes of this machine; `calls` are told of, with who made them. */
export const localUpstreams = (calls: string[] = [], more: ReadonlyMap<string, Backend> = new Map()): Upstreams => ({
  servers: async () => [...backends.keys(), ...more.keys()].map(asServerName).sort(),
  watch: async () => {},
  engineAnswers: async () => true,
  scaled: async () => [],
  scale: async () => 1,
  async open(server: ServerName) {
    const backend = backends.get(server) ?? more.get(server);
    if (backend === undefined) throw new LoomsError('server-not-found', `no ${server}`);
    const local = targetFor(engine.engine, backend.argv, { mcp: backend.mcp });
    const reach = { way: 'relay', host: '127.0.0.1' };
    const target = { ...local, reach, spec: { ...local.spec, name: server } };
    const options = {
      deadline: performance.now() + 30_000,
      lifetimeMs: 60_000,
      renews: true,
      graceMs: 500,
      signal: AbortSignal.timeout(30_000),
      onStray: () => {},
      onText: () => {},
      onConnected: () => {},
    };
    const link = await openLink(target, options, { signal: undefined, limitMs: 30_000 });
    const { spec } = target;
    return { channel: await openChannel(link, server, 30_000), container: asContainerId(server), generation: 1, spec };
  },
  serving: async (server) => ({ container: asContainerId(server), drainSeconds: 30 }),
  record: async ({ principal, tool }, make) => {
    calls.push(`${principal} ${tool}`);
    await make();
  },
  refused: async () => {},
});

export type LocalGateway = { readonly gateway: Gateway; readonly http: Server; readonly url: string };

export const key = Buffer.alloc(32, 7);

/** A gateway in front of them, on a free port of this machine; with the same seal it takes the place of an earlier one. */
export async function localGateway(
  upstreams: Upstreams,
  seal: Seal = createSeal(key, 'p'),
  notes?: SessionNotes,
  port = 0,
): Promise<LocalGateway> {
  const bounds = { idleMs: 60_000, most: 64, mostEach: 64 };
  const gateway = createGateway(upstreams, {
    ...{ bounds, seal, sse: true, version: '1', log: () => {} },
    ...(notes === undefined ? {} : { notes }),
  });
  const http = gateway.serverFor({ kind: 'socket' }).listen(port, '127.0.0.1');
  await once(http, 'listening');
  return { gateway, http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

const envelope = `"io.modelcontextprotocol/protocolVersion":"${modern}","io.modelcontextprotocol/clientInfo":{"name":"raw","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}`;

/** A client that sees each byte of what comes back. */
export function rawClient(era: Era, url: () => string) {
  let session: string | undefined;
  let id = 0;
  const post = async (body: string, method: string) => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(session === undefined ? {} : { 'mcp-session-id': session }),
      ...(era === 'modern' ? { 'mcp-protocol-version': modern, 'mcp-method': method } : {}),
      ...(era === 'modern' && method === 'tools/call' ? { 'mcp-name': String(JSON.parse(body).params.name) } : {}),
    };
    const response = await fetch(url(), { method: 'POST', headers, body });
    session ??= response.headers.get('mcp-session-id') ?? undefined;
    const text = await response.text();
    const last = text.startsWith('{')
      ? text
      : (text
          .match(/^data: (.*)$/gm)
          ?.at(-1)
          ?.slice(6) ?? '');
    return { status: response.status, text: last };
  };
  const ask = (method: string, params: string) => {
    id += 1;
    const rest = `${params === '{}' ? '' : ','}"_meta":{${envelope}}}`;
    const given = era === 'legacy' ? params : params.replace(/\}$/, rest);
    return post(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${given}}`, method);
  };
  return {
    ask,
    session: () => session ?? '',
    use: (given: string) => {
      session = given;
    },
    async begin() {
      if (era === 'modern') return;
      const info = '"capabilities":{"elicitation":{}},"clientInfo":{"name":"raw","version":"1"}';
      await ask('initialize', `{"protocolVersion":"2025-11-25",${info}}`);
      await post('{"jsonrpc":"2.0","method":"notifications/initialized"}', '');
    },
  };
}
