// A whole MCP server without any package: one JSON-RPC message a line on stdin and stdout.
import { randomInt } from 'node:crypto';
import { createInterface } from 'node:readline';

const roll = {
  name: 'roll',
  description: 'Rolls a die and says what came up.',
  inputSchema: {
    type: 'object',
    properties: { sides: { type: 'integer', minimum: 2, maximum: 1000, default: 6, description: 'Sides of the die' } },
  },
};

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'dice', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [roll] }),
  'tools/call': ({ name, arguments: { sides = 6 } = {} }) => {
    const valid = name === 'roll' && Number.isInteger(sides) && sides >= 2 && sides <= 1000;
    const text = valid ? String(randomInt(1, sides + 1)) : 'roll takes a whole number of sides from 2 to 1000';
    return { content: [{ type: 'text', text }], isError: !valid };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue; // a notification
  const answer = Object.hasOwn(methods, method)
    ? { result: methods[method](params ?? {}) }
    : { error: { code: -32601, message: `no method ${method}` } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`);
}
