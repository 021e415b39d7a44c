import { tinySpec } from './tiny-server.ts';

/** Servers that never pass a gate, each in its own way, as scripts for `node -e`. */
export const brokenScripts = {
  exits: "console.error('cannot start: no license'); process.exit(3)",
  silent: "console.error('waiting for the mainframe'); setInterval(() => {}, 1e6)",
  garbage: "console.error('which protocol?'); setInterval(() => console.log('Welcome! Listening on 0.0.0.0:8000'), 50)",
} as const;

export type Changes = {
  readonly args?: readonly string[];
  readonly timeoutSeconds?: number;
  readonly mcp?: object;
  readonly backend?: object;
  readonly place?: object;
};

/** The spec of a tiny server with parts of it changed. */
export function changed(spec: string, { args, timeoutSeconds, mcp = {}, backend = {}, place }: Changes): string {
  const parsed = JSON.parse(spec) as { docker_backend: object; mcp_server: object };
  return `${JSON.stringify({
    ...parsed,
    ...(place === undefined ? {} : { place }),
    docker_backend: { ...parsed.docker_backend, ...backend },
    mcp_server: {
      ...parsed.mcp_server,
      ...(args === undefined ? {} : { args }),
      ...(timeoutSeconds === undefined ? {} : { timeout_seconds: timeoutSeconds }),
      ...mcp,
    },
  })}\n`;
}

/** A server that fails its gate within `timeoutSeconds`. */
export const brokenSpec = (name: string, how: keyof typeof brokenScripts, timeoutSeconds = 3): string =>
  changed(tinySpec({ name }), { args: ['-e', brokenScripts[how]], timeoutSeconds });

/**
 * A server over HTTP without any library. Tools: `digest` tells the SHA-256 of the variable API_TOKEN, so that a test can
 * compare it without its being printed; `tell` prints it, as JSON and to the log; `drip` writes it to the log as JSON, and
 * in two pieces; `quit` writes it there and ends with 7; `add` appends a line to /data/lines, `count` counts them.
 */
const httpScript = `
const { appendFileSync, existsSync, readFileSync } = require('node:fs');
const digest = () => require('node:crypto').createHash('sha256').update(process.env.API_TOKEN ?? '').digest('hex');
const tell = () => (console.error('token ' + process.env.API_TOKEN), asJson());
const asJson = () => JSON.stringify({ token: process.env.API_TOKEN });
const drip = () => {
  console.error(asJson());
  const piece = (text) => process.stderr.write(text);
  const { length } = process.env.API_TOKEN;
  piece('in two: ' + process.env.API_TOKEN.slice(0, length / 2));
  setTimeout(() => piece(process.env.API_TOKEN.slice(length / 2) + '\\ndripped\\n'), 300);
  return 'ok';
};
const quit = () => (console.error('last words: ' + process.env.API_TOKEN), process.exit(7));
const file = '/data/lines';
const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\\n').length - 1 : 0);
const tools = { digest, add: () => (appendFileSync(file, 'x\\n'), String(lines())), count: () => String(lines()), tell, drip, quit };
const result = ({ method, params }) => {
  if (method === 'initialize') return { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'http', version: '1' } };
  if (method === 'tools/list') return { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) };
  if (method === 'tools/call') return { content: [{ type: 'text', text: tools[params.name]() }] };
  return {};
};
require('node:http').createServer((request, response) => {
  if (request.method !== 'POST') return response.writeHead(405).end();
  let body = '';
  request.on('data', (chunk) => (body += chunk)).on('end', () => {
    const message = JSON.parse(body);
    if (message.id === undefined) return response.writeHead(202).end();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: result(message) }));
  });
}).listen(8000, () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
`;

/** The spec of that server; `volume` is mounted at /data. */
export const httpSpec = (
  name: string,
  more: { volume?: string; secret?: string; mcp?: object; backend?: object } = {},
): string =>
  changed(tinySpec({ name }), {
    args: ['-e', httpScript],
    mcp: {
      transport: 'streamable-http',
      port: 8000,
      path: '/mcp',
      ...(more.secret === undefined ? {} : { env: { API_TOKEN: `\${secret:${more.secret}}` } }),
      ...more.mcp,
    },
    backend: {
      ...(more.volume === undefined ? {} : { volume_mounts: [{ source: more.volume, target: '/data' }] }),
      ...more.backend,
    },
  });
