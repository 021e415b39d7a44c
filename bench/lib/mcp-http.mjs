import { Agent, request } from 'node:http';

const modern = '2026-07-28';
const meta = {
  'io.modelcontextprotocol/protocolVersion': modern,
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** The messages of a response, which may be one, or the events of a stream. */
const messagesIn = (text) =>
  text.startsWith('{')
    ? [JSON.parse(text)]
    : (text.match(/^data: ?(\{.*)$/gm) ?? []).map((line) => JSON.parse(line.slice(5)));

/** The text of a tool's result. Throws what was answered instead, also where that was more than one answer. */
function textOf({ id, text }) {
  const answers = messagesIn(text).filter((message) => message.id === id && message.method === undefined);
  if (answers.length !== 1) throw new Error(`answered ${answers.length} times: ${text.slice(0, 300)}`);
  const [{ result, error }] = answers;
  if (result === undefined) throw new Error(`answered with ${JSON.stringify(error)}`);
  return result.content[0].text;
}

/**
 * The least MCP client over streamable HTTP: one connection that is kept alive.
 *
 * @param {{ socketPath: string, path: string } | { host: string, port: number, path: string }} where
 */
export function mcpClient(where) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let session;
  let lastId = 0;
  const post = (message, headers = {}) =>
    new Promise((resolve, reject) => {
      const text = JSON.stringify({ jsonrpc: '2.0', ...message });
      const outgoing = request({
        ...where,
        agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'content-length': Buffer.byteLength(text),
          ...(session === undefined ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }),
          ...headers,
        },
      });
      outgoing.on('error', reject).on('response', (answer) => {
        const parts = [];
        answer.on('error', reject).on('data', (part) => parts.push(part));
        answer.on('end', () => {
          session ??= answer.headers['mcp-session-id'];
          const received = Buffer.concat(parts).toString();
          if (answer.statusCode >= 400) reject(new Error(`HTTP ${answer.statusCode}: ${received.slice(0, 300)}`));
          else resolve(received === '' ? undefined : received);
        });
      });
      outgoing.end(text);
    });
  const ask = async (method, params, headers) => {
    lastId += 1;
    const id = lastId;
    return { id, text: (await post({ id, method, params }, headers)) ?? '' };
  };
  return {
    /** Begins a session. */
    async open() {
      const clientInfo = { name: 'bench', version: '1' };
      await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
      await post({ method: 'notifications/initialized' });
    },
    /** Calls a tool in the session, and gives its text. */
    async call(name, args) {
      return textOf(await ask('tools/call', { name, arguments: args }));
    },
    /** Calls a tool without a session. */
    async callAlone(name, args) {
      const headers = { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': name };
      return textOf(await ask('tools/call', { name, arguments: args, _meta: meta }, headers));
    },
    /** Asks without reading what comes back; the connection stays open until `close`. */
    stall(name, args) {
      const text = JSON.stringify({
        jsonrpc: '2.0',
        id: 'stalled',
        method: 'tools/call',
        params: { name, arguments: args },
      });
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': session,
        'mcp-protocol-version': '2025-11-25',
      };
      request({ ...where, agent: false, method: 'POST', headers }, (answer) => answer.pause())
        .on('error', () => {})
        .end(text);
    },
    close: () => agent.destroy(),
  };
}
