/**
 * One tool call by an exec in a running container, as the least program that can do it:
 * `node raw-call.mjs CONTAINER TOOL '{json}' PROGRAM [ARGS…]`. Prints the result.
 */
import { execStream } from './raw-engine.mjs';

const [container, name, args, ...argv] = process.argv.slice(2);
const socket = await execStream(container, argv);
const send = (message) => socket.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
let seen = '';
socket.on('data', (chunk) => {
  seen += chunk.toString();
  if (seen.includes('protocolVersion')) {
    seen = '';
    send({ method: 'notifications/initialized' });
    send({ id: 2, method: 'tools/call', params: { name, arguments: JSON.parse(args) } });
  }
  const answer = /\{[^\n]*"id":2\b[^\n]*\}(?=\n)/.exec(seen)?.[0];
  if (answer !== undefined) {
    console.log(JSON.stringify(JSON.parse(answer).result));
    process.exit();
  }
});
const clientInfo = { name: 'bench', version: '1' };
send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } });
