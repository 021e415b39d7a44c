import { changed } from './odd-servers.ts';
import { tinySpec } from './tiny-server.ts';

/**
 * A server that says more than answers, as a script for `node -e`. Tools: `order` asks a form and answers what came back,
 * `confirm` asks for a yes, `page` asks to open a page, `think` asks for a model, `steps` reports progress and takes
 * `to` steps of `ms`, `loud` prints a stray line and logs, `nag` asks without end, `pings` sends `to` pings and reads nothing more,
 * `numbers` answers odd numbers and the line that it got, `strict` has a pattern that takes for ever, `wait` never answers,
 * `waiting` tells whether it was called,
 * `cancelled` what cancelled it.
 */
const script = `
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const send = (m) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...m }) + '\\n');
const text = (t) => ({ content: [{ type: 'text', text: t }] });
const names = ['order', 'confirm', 'page', 'think', 'steps', 'loud', 'wait', 'waiting', 'cancelled', 'nag', 'pings', 'numbers', 'strict'];
const tools = names.map((name) => ({ name, inputSchema: { type: 'object', properties: { to: { type: 'integer' }, ms: { type: 'integer' }, ...(name === 'strict' ? { word: { type: 'string', pattern: '^(a+)+$' } } : {}) } } }));
const form = { type: 'object', required: ['email', 'size'], properties: {
  email: { type: 'string', title: 'E-mail', format: 'email', description: 'Where the receipt goes' },
  size: { type: 'string', title: 'Size', oneOf: [{ const: 's', title: 'Small' }, { const: 'l', title: 'Large' }] },
  count: { type: 'integer', title: 'How many', minimum: 1, maximum: 9, default: 1 },
  gift: { type: 'boolean', title: 'As a gift' },
  extras: { type: 'array', title: 'Extras', items: { type: 'string', enum: ['bag', 'card', 'ribbon'] } },
} };
let client = {}, nextId = 1000;
const asked = new Map();
const ask = (method, params, then) => { asked.set(++nextId, then); send({ id: nextId, method, params }); };
const tell = (id) => (answer) => send({ id, result: text(JSON.stringify(answer.result ?? answer.error)) });
const nag = () => ask('elicitation/create', { message: 'Drop the table?', requestedSchema: { type: 'object', properties: {} } }, nag);
const call = (id, { name, arguments: a = {}, _meta = {} }) => {
  if (name === 'order' && client.elicitation === undefined) return send({ id, result: { ...text('nobody can be asked'), isError: true } });
  if (name === 'order') return ask('elicitation/create', { message: 'What shall it be?', requestedSchema: form }, tell(id));
  if (name === 'confirm') return ask('elicitation/create', { message: 'Drop the table?', requestedSchema: { type: 'object', properties: {} } }, tell(id));
  if (name === 'nag') return nag();
  if (name === 'strict') return send({ id, result: text('taken') });
  if (name === 'numbers') return process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":{"content":[],"structuredContent":{"id":9007199254740993,"big":1e400,"got":' + JSON.stringify(lastLine) + '}}}\\n');
  if (name === 'pings') { process.stdin.pause(); for (let i = 0; i < a.to; i++) send({ id: 'ping-' + i, method: 'ping' }); return writeFileSync('/tmp/waiting', 'pings'); }
  if (name === 'page') return ask('elicitation/create', { mode: 'url', message: 'Log in', url: 'https://example.com', elicitationId: '1' }, tell(id));
  if (name === 'think') return ask('sampling/createMessage', { messages: [], maxTokens: 1 }, tell(id));
  if (name === 'loud') {
    process.stdout.write('connected to the mainframe\\n');
    send({ method: 'notifications/message', params: { level: 'warning', logger: 'db', data: 'slow query' } });
    return send({ id, result: text('done') });
  }
  if (name === 'wait') return writeFileSync('/tmp/waiting', 'yes');
  if (name === 'waiting') return send({ id, result: text(existsSync('/tmp/waiting') ? readFileSync('/tmp/waiting', 'utf8') : 'no') });
  if (name === 'cancelled') return send({ id, result: text(existsSync('/tmp/cancelled') ? readFileSync('/tmp/cancelled', 'utf8') : '') });
  let step = 0;
  const next = () => {
    if (step === a.to) return send({ id, result: text('took ' + step + ' steps') });
    step += 1;
    send({ method: 'notifications/progress', params: { progressToken: _meta.progressToken, progress: step, total: a.to, message: 'reading table ' + step } });
    setTimeout(next, a.ms ?? 0);
  };
  next();
};
let rest = '', lastLine = '';
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines.filter(Boolean)) {
    lastLine = line;
    const message = JSON.parse(line);
    const { id, method, params } = message;
    if (method === undefined) { asked.get(id)?.(message); continue; }
    if (method === 'initialize') { client = params.capabilities; send({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {}, logging: {} }, serverInfo: { name: 'talkative', version: '1' } } }); }
    else if (method === 'tools/list') send({ id, result: { tools } });
    else if (method === 'tools/call') call(id, params);
    else if (method === 'notifications/cancelled') writeFileSync('/tmp/cancelled', JSON.stringify(params));
    else if (id !== undefined) send({ id, error: { code: -32601, message: 'Method not found' } });
  }
});
process.stdin.on('end', () => process.exit(0));
`;

/** The spec of that server. */
export const talkativeSpec = (name: string): string => changed(tinySpec({ name }), { args: ['-e', script] });
