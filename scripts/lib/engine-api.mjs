import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where an engine may be listening, best guess first: `DOCKER_HOST` alone when it is set, else the
 * sockets that the usual engines of this platform make.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]} addresses in the form of `DOCKER_HOST`
 */
export function engineAddresses(env = process.env) {
  if (env.DOCKER_HOST) return [env.DOCKER_HOST];
  const home = homedir();
  const sockets = ['/var/run/docker.sock'];
  if (env.XDG_RUNTIME_DIR) sockets.push(join(env.XDG_RUNTIME_DIR, 'docker.sock'));
  sockets.push(
    join(home, '.docker/run/docker.sock'),
    join(home, '.orbstack/run/docker.sock'),
    join(home, '.colima/default/docker.sock'),
  );
  return sockets.filter((path) => existsSync(path)).map((path) => `unix://${path}`);
}

/**
 * Sends one request to an engine and hands back the response as soon as its head is there, so that
 * large bodies can be streamed. A body may be a Buffer, a string, a Readable, or an object (sent as JSON).
 *
 * @param {string} host address in the form of `DOCKER_HOST` (unix:// or tcp://)
 * @param {{ method?: string, path: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} call
 * @returns {Promise<http.IncomingMessage>}
 */
export function openCall(host, { method = 'GET', path, body, headers = {}, signal }) {
  const { transport, options } = connection(host);
  return new Promise((resolve, reject) => {
    const request = transport.request({ ...options, method, path, headers: { Host: 'engine', ...headers }, signal });
    request.on('error', reject);
    request.on('response', resolve);
    if (body === undefined) return request.end();
    if (typeof body.pipe === 'function') {
      body.on('error', (error) => request.destroy(error));
      return body.pipe(request);
    }
    if (typeof body === 'string' || Buffer.isBuffer(body)) return request.end(body);
    request.setHeader('Content-Type', 'application/json');
    request.end(JSON.stringify(body));
  });
}

/**
 * Sends one request and reads the whole answer, parsed when it is JSON.
 *
 * @param {string} host
 * @param {Parameters<typeof openCall>[1] & { timeoutMs?: number }} call
 * @returns {Promise<{ status: number, body: any }>} errors of the engine come back as their status, not as an exception
 */
export async function call(host, { timeoutMs = 60_000, ...request }) {
  const response = await openCall(host, { signal: AbortSignal.timeout(timeoutMs), ...request });
  const text = await readText(response);
  const isJson = (response.headers['content-type'] ?? '').includes('json');
  return { status: response.statusCode, body: isJson && text !== '' ? parseJson(text) : text };
}

/**
 * Sends one request whose answer is a stream of JSON messages (pull, import, load, build).
 *
 * @param {string} host
 * @param {Parameters<typeof openCall>[1]} request
 * @param {(message: any) => void} onMessage
 * @throws when the engine refuses the call or reports an error in the stream
 */
export async function callStreaming(host, request, onMessage = () => {}) {
  const response = await openCall(host, request);
  if (response.statusCode >= 400) throw new Error(messageOf(parseJson(await readText(response))));
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) report(line);
  }
  report(rest);

  function report(line) {
    if (line.trim() === '') return;
    const message = parseJson(line);
    if (message.error) throw new Error(message.error);
    onMessage(message);
  }
}

/**
 * Asks an engine who it is.
 *
 * @param {string} host
 * @returns {Promise<{ host: string, version: string, apiVersion: string } | undefined>} nothing when none answers
 */
export async function pingEngine(host) {
  try {
    const ping = await call(host, { path: '/_ping', timeoutMs: 3_000 });
    if (ping.status !== 200) return undefined;
    const { body } = await call(host, { path: '/version', timeoutMs: 10_000 });
    return { host, version: body.Version, apiVersion: body.ApiVersion };
  } catch {
    return undefined; // refused, timed out or not an engine: all mean that none answers here
  }
}

function connection(host) {
  const url = new URL(host);
  if (url.protocol === 'unix:') return { transport: http, options: { socketPath: decodeURIComponent(url.pathname) } };
  if (url.protocol !== 'tcp:' && url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Error('these scripts speak to unix:// and tcp:// addresses only');
  }
  const options = { host: url.hostname, port: url.port || 2375 };
  const certificates = process.env.DOCKER_CERT_PATH;
  if (!process.env.DOCKER_TLS_VERIFY || !certificates) return { transport: http, options };
  const read = (name) => readFileSync(join(certificates, name));
  return {
    transport: https,
    options: { ...options, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') },
  };
}

async function readText(response) {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}

function messageOf(body) {
  return body?.message ?? JSON.stringify(body);
}
