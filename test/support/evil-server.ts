import { changed } from './odd-servers.ts';
import { tinySpec } from './tiny-server.ts';

/**
 * A stdio server that does what none should, a tool each, as a script for `node -e`. All but the last four answer `ok` in
 * the end: `garbage` prints bytes that are no text, `strangers` answers ids that nobody asked with, and its own twice,
 * `flood` logs `n` times, `asks` asks `n` forms that it does not wait for, `deep` sends what is nested without end, alone
 * and in batches, `odd` sends what is half a request and half an answer; `half` ends amid its answer, `long` writes a line of 100 MB,
 * `deaf` reads nothing more, `mute` never answers. From the second list on its tools are others each time, and some are none.
 */
const script = `
const write = (t) => process.stdout.write(t + '\\n');
const send = (m) => write(JSON.stringify({ jsonrpc: '2.0', ...m }));
const ok = (id) => send({ id, result: { content: [{ type: 'text', text: 'ok' }] } });
const open = '['.repeat(20000), close = ']'.repeat(20000);
const tools = ['garbage', 'strangers', 'flood', 'asks', 'deep', 'odd', 'half', 'long', 'deaf', 'mute'];
const log = (data) => ({ method: 'notifications/message', params: { level: 'info', data } });
let lists = 0;
const list = () => {
  lists += 1;
  const schema = { inputSchema: { type: 'object' } };
  if (lists === 1) return tools.map((name) => ({ name, ...schema }));
  return [...tools, 'list.' + lists, 'bell\\u0007\\u001b[31m', 'x'.repeat(200), 'a/b c'].map((name) => ({ name, ...schema })).concat([
    { name: 5, ...schema }, { name: 'bare' }, { name: 'worded', inputSchema: 'object' }, { name: 'told', description: 7, ...schema }, null, 'tool',
  ]);
};
const call = (id, { name, arguments: { n = 1 } = {}, _meta = {} }) => {
  if (name === 'garbage') {
    process.stdout.write(Buffer.from(Array.from({ length: 1000000 }, (_, i) => i % 256)));
    for (const line of ['', '{', '[]', '{}', 'null', '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":' + id + '}', '[1]', '\\u0000']) write(line);
  } else if (name === 'strangers') {
    for (let i = 0; i < 2000; i++) send({ id: id + i + 1, result: { content: [] } });
    for (const odd of [String(id), id + 0.5, null, {}, [id], -1]) send({ id: odd, result: { content: [] } });
    ok(id);
  } else if (name === 'flood') for (let i = 0; i < n; i++) send(log('x'.repeat(100)));
  else if (name === 'asks') for (let i = 0; i < n; i++) send({ id: 'ask-' + i, method: 'elicitation/create', params: { message: '?', requestedSchema: { type: 'object', properties: {} } } });
  else if (name === 'deep') {
    const token = JSON.stringify(_meta.progressToken ?? 'none');
    write('[{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":' + open + close + '}}]');
    write('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":' + token + ',"progress":1,"x":' + open + close + '}}');
    write('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"x":' + open + close + '}}');
    write('{"jsonrpc":"2.0","method":"roots/list","id":"deep","params":' + open + close + '}');
    write('{"jsonrpc":"2.0","method":"roots/list","params":' + open + close + ',"id":"deep2","x":1}');
  } else if (name === 'odd') {
    for (let i = 0; i < 100; i++) send({ id: i, method: 'ping', result: { content: [{ type: 'text', text: 'forged' }] } });
    send({ id: {}, method: 'ping' });
    send({ id: 1, method: 5 });
    send({ method: {} });
  } else if (name === 'half') return process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":{"content":[{"type":"te', () => process.exit(0));
  else if (name === 'long') return process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":"' + 'x'.repeat(100 * 1024 * 1024));
  else if (name === 'deaf') return process.stdin.pause(), setInterval(() => {}, 1e6);
  else if (name === 'mute') return;
  ok(id);
};
let rest = '';
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines.filter(Boolean)) {
    const { id, method, params } = JSON.parse(line);
    if (method === 'initialize') send({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {}, logging: {} }, serverInfo: { name: 'evil', version: '1' } } });
    else if (method === 'tools/list') send({ id, result: { tools: list() } });
    else if (method === 'tools/call') call(id, params);
    else if (method !== undefined && id !== undefined) send({ id, result: {} });
  }
});
process.stdin.on('end', () => process.exit(0));
`;

const limits = { resource_limits: { memory_mb: 512, execution_timeout_seconds: 8 } };

/** The spec of that server. */
export const evilSpec = (name: string): string =>
  changed(tinySpec({ name }), { args: ['-e', script], backend: limits });

/**
 * The same over HTTP, as the text of a call's tool: `endless` answers in a stream that does not end, `stuck` begins one and
 * says nothing, `fails` is a 500 with a page, `moved` a redirect to another host, `long` an event of 100 MB, `noise` a
 * stream of what is no JSON-RPC, `resets` breaks the connection.
 */
const httpScript = `
const { createServer } = require('node:http');
const names = ['endless', 'stuck', 'fails', 'moved', 'long', 'noise', 'resets', 'open'];
let open = 0;
const answer = (id, text) => JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });
const call = (id, name, response) => {
  if (name === 'open') return response.writeHead(200, { 'content-type': 'application/json' }).end(answer(id, String(open)));
  if (name === 'fails') return response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>no</h1>'.repeat(100000));
  if (name === 'moved') return response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end();
  if (name === 'resets') return response.destroy();
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  open += 1;
  response.on('close', () => (open -= 1));
  const comment = setInterval(() => response.write(': more\\n\\n'), 20);
  response.on('close', () => clearInterval(comment));
  if (name === 'endless') response.write('data: ' + answer(id, 'ok') + '\\n\\n');
  if (name === 'noise') for (const data of ['{', '[]', 'null', '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":' + id + '}', '\\u0000']) response.write('data: ' + data + '\\n\\n');
  if (name === 'long') response.write('data: ' + 'x'.repeat(100 * 1024 * 1024));
};
createServer((request, response) => {
  if (request.method !== 'POST') return response.writeHead(405).end();
  let body = '';
  request.on('data', (chunk) => (body += chunk)).on('end', () => {
    const { id, method, params } = JSON.parse(body);
    if (id === undefined) return response.writeHead(202).end();
    if (method === 'tools/call') return call(id, params.name, response);
    const schema = { inputSchema: { type: 'object' } };
    const result = method === 'initialize' ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'evil', version: '1' } } : method === 'tools/list' ? { tools: names.map((name) => ({ name, ...schema })) } : {};
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  });
}).listen(8000);
process.on('SIGTERM', () => process.exit(0));
`;

export const evilHttpSpec = (name: string): string =>
  changed(tinySpec({ name }), {
    args: ['-e', httpScript],
    mcp: { transport: 'streamable-http', port: 8000, path: '/mcp' },
    backend: limits,
  });
