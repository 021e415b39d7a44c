/**
 * A whole MCP server of both eras for `node -e`, as small as one can be: what is measured is everything around it. `echo`
 * answers its text, `once` as well, but for one that its process was asked for before, `big` so many characters, and `log` so
 * many of a log, no two lines of which are the same.
 */
const program = `
const send = (id, result) => process.stdout.write('{"jsonrpc":"2.0","id":' + JSON.stringify(id) + ',"result":' + JSON.stringify(result) + '}\\n');
const tool = (name, type) => ({ name, inputSchema: { type: 'object', properties: { value: { type } } } });
const tools = [tool('echo', 'string'), tool('once', 'string'), tool('big', 'integer'), tool('log', 'integer')];
let lines = '';
for (let line = 0; lines.length < 1e6; line += 1) lines += '2026-11-29T02:14:' + line + 'Z GET /v1/orders/' + line * 7919 + '?page=3 took 45 ms, asked by user-' + line * 31 + '@10.0.0.7\\n';
const seen = new Set();
const once = (text) => (seen.has(text) ? 'asked twice for ' + text : (seen.add(text), text));
const says = { echo: (text) => text, once, big: (length) => 'x'.repeat(length), log: (length) => lines.slice(0, length) };
const info = { serverInfo: { name: 'echo', version: '1' }, capabilities: { tools: {} } };
const cached = { ttlMs: 0, cacheScope: 'private', resultType: 'complete' };
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, ...info }),
  'server/discover': () => ({ supportedVersions: ['2026-07-28'], ...info, ...cached }),
  'tools/list': () => ({ tools, ...cached }),
  'tools/call': ({ name, arguments: { value } }) => ({ content: [{ type: 'text', text: says[name](value) }], resultType: 'complete' }),
  ping: () => ({}),
};
let rest = '';
process.stdin.setEncoding('utf8').on('data', (piece) => {
  const lines = (rest + piece).split('\\n');
  rest = lines.pop();
  for (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    if (id !== undefined && method !== undefined) send(id, answers[method]?.(params ?? {}) ?? {});
  }
}).on('end', () => process.exit());
`;

/** argv of that server, in an image with Node. */
export const echoArgv = ['node', '-e', program];
