import { onNodes } from './node-images.ts';

/**
 * A whole MCP server as one line of JavaScript for `node -e`: nothing has to be installed or built, so that tests of the
 * command line are quick. Tools: `echo` answers its text, `fail` answers isError with the text that it is given, `break` answers a JSON-RPC error,
 * `wait` never answers, `secret` tells the variable API_TOKEN.
 */
const script = `
const send = (m) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...m }) + '\\n');
const text = (t, more = {}) => ({ content: [{ type: 'text', text: t }], ...more });
const tool = (name, properties = {}, required = []) => ({ name, description: 'The tool ' + name, inputSchema: { type: 'object', properties, required } });
const tools = [tool('echo', { text: { type: 'string' }, times: { type: 'integer' } }, ['text']), tool('fail'), tool('break'), tool('wait'), tool('secret')];
const call = (id, { name, arguments: a = {} }) => {
  if (name === 'echo') return send({ id, result: text(Array(a.times ?? 1).fill(a.text).join(' ')) });
  if (name === 'fail') return send({ id, result: text(a.text ?? 'it went wrong', { isError: true }) });
  if (name === 'secret') return send({ id, result: text('token=' + process.env.API_TOKEN) });
  if (name === 'break') return send({ id, error: { code: -32603, message: 'broken inside' } });
};
let rest = '';
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines.filter(Boolean)) {
    const { id, method, params } = JSON.parse(line);
    if (method === 'initialize') send({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'tiny', version: '1' } } });
    else if (method === 'tools/list') send({ id, result: { tools } });
    else if (method === 'tools/call') call(id, params);
    else if (id !== undefined) send({ id, result: {} });
  }
});
process.stdin.on('end', () => process.exit(0));
`;

export type TinySpec = {
  readonly name: string;
  /** `hangs` never answers, `dies` exits at once. */
  readonly kind?: 'works' | 'hangs' | 'dies';
  readonly timeoutSeconds?: number;
  readonly memoryMiB?: number;
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** More of `docker_backend`. */
  readonly backend?: Readonly<Record<string, unknown>>;
  /** More of `mcp_server`. */
  readonly mcp?: Readonly<Record<string, unknown>>;
};

const scripts = {
  works: script,
  hangs: 'setTimeout(() => {}, 1e6)',
  dies: 'console.error("cannot reach the database"); process.exit(3)',
};

/** A spec (YAML, by way of JSON) of a server that runs the script on the stand-in for node:24-slim. */
export const tinySpec = ({
  name,
  kind = 'works',
  timeoutSeconds = 30,
  memoryMiB = 128,
  image = onNodes('node:24-slim'),
  env = {},
  backend = {},
  mcp = {},
}: TinySpec): string =>
  `${JSON.stringify({
    name,
    docker_backend: {
      base_image: image,
      pull_policy: 'missing',
      resource_limits: { memory_mb: memoryMiB },
      ...backend,
    },
    mcp_server: { command: 'node', args: ['-e', scripts[kind]], timeout_seconds: timeoutSeconds, env, ...mcp },
  })}\n`;

/** A server over HTTP, without any library, which offers nothing. */
const httpScript = `require('node:http').createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body || '{}');
  const result = method === 'initialize'
    ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'web', version: '1' } }
    : { tools: [] };
  response.writeHead(id === undefined ? 202 : 200, { 'content-type': 'application/json' });
  response.end(id === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', id, result }));
}).listen(3000);`;

/** A spec of a server over HTTP, which has no tools. */
export const tinyHttpSpec = ({ name, backend = {}, mcp = {} }: Pick<TinySpec, 'name' | 'backend' | 'mcp'>): string =>
  `${JSON.stringify({
    name,
    docker_backend: { base_image: onNodes('node:24-slim'), resource_limits: { memory_mb: 128 }, ...backend },
    mcp_server: { transport: 'streamable-http', port: 3000, command: 'node', args: ['-e', httpScript], ...mcp },
  })}\n`;

/** Several documents in one text. */
export const specs = (...documents: readonly string[]): string => documents.join('---\n');
