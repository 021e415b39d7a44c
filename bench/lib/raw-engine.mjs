import { Agent, request } from 'node:http';

/** The least that a program can do to talk to an engine: HTTP over its socket, connections kept alive. */
export const socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', '');
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/**
 * One call of the engine's API.
 *
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @returns {Promise<any>} the answer's JSON, or undefined for none
 */
export function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const outgoing = request({ socketPath, agent, method, path, headers }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const received = Buffer.concat(chunks).toString();
        if ((answer.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${answer.statusCode} ${received}`));
        else
          resolve(
            received === '' || (!received.startsWith('{') && !received.startsWith('['))
              ? undefined
              : JSON.parse(received),
          );
      });
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/**
 * Runs `work` for every item, `width` at a time.
 *
 * @template T
 * @param {readonly T[]} items
 * @param {number} width
 * @param {(item: T) => Promise<unknown>} work
 */
export async function eachOf(items, width, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/**
 * The streams of a new process in a container, as the engine multiplexes them.
 *
 * @param {string} container
 * @param {string[]} argv
 * @returns {Promise<import('node:net').Socket>}
 */
export async function execStream(container, argv) {
  const { Id } = await call('POST', `/containers/${container}/exec`, {
    Cmd: argv,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  return new Promise((resolve, reject) => {
    const text = JSON.stringify({ Detach: false, Tty: false });
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      connection: 'Upgrade',
      upgrade: 'tcp',
    };
    const outgoing = request({ socketPath, method: 'POST', path: `/exec/${Id}/start`, headers });
    outgoing.on('error', reject);
    outgoing.on('upgrade', (_answer, socket) => resolve(socket));
    outgoing.end(text);
  });
}

/**
 * One MCP handshake and `tools/list` by an exec, in as few lines as it takes.
 *
 * @param {string} container
 * @param {string[]} argv
 * @returns {Promise<void>} when the tools were answered
 */
export async function handshake(container, argv) {
  const socket = await execStream(container, argv);
  await new Promise((resolve, reject) => {
    speakMcp(socket, resolve, reject, (message) => socket.write(`${JSON.stringify(message)}\n`));
  });
}

/**
 * The client's side of a handshake; resolves at the answer to `tools/list`.
 *
 * @param {import('node:stream').Readable} stream
 * @param {() => void} resolve
 * @param {(error: Error) => void} reject
 * @param {(message: object) => void} send
 */
export function speakMcp(stream, resolve, reject, send) {
  let seen = '';
  let initialized = false;
  stream.on('error', reject);
  stream.on('close', () => reject(new Error(`the server went away after: ${seen.slice(0, 300)}`)));
  stream.on('data', (chunk) => {
    seen += chunk.toString();
    if (!initialized && /"id":1\b/.test(seen) && seen.includes('protocolVersion')) {
      initialized = true;
      send({ jsonrpc: '2.0', method: 'notifications/initialized' });
      send({ jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} });
    }
    if (initialized && /"id":2\b/.test(seen)) {
      stream.destroy();
      resolve();
    }
  });
  send({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1' } },
  });
}
