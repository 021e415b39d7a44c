import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { signedText } from '../../src/docker/model/claims.ts';
import { recordSigner } from '../../src/state/record-signer.ts';
import { call, socketPath } from './raw-engine.mjs';

/** The answers about one container, made into those about another one of its kind. */
function copyOf(answer, from, to) {
  const text = JSON.stringify(answer).replaceAll(`"${from.server}"`, `"${to.server}"`);
  const short = (id) => id.slice(0, 12);
  const renamed = text.replaceAll(from.name, to.name).replaceAll(from.id, to.id);
  // The host name of a container is the beginning of its id.
  return JSON.parse(renamed.replaceAll(short(from.id), short(to.id)));
}

/**
 * An engine on a socket of its own that has many containers like one that the real engine has, and is that engine in all
 * else that is read. Nothing can be made on it.
 *
 * @param {string} project
 * @param {string} server whose settled container is the model
 * @param {ReadonlyMap<string, Record<string, string>>} labels what looms writes on each container, by server
 */
export async function simulateEngine(project, server, labels) {
  const nameOf = (one) => `looms-${project}-${one}`;
  const filters = encodeURIComponent(JSON.stringify({ name: [`^/?${nameOf(server)}$`] }));
  const [listed] = await call('GET', `/containers/json?all=1&filters=${filters}`);
  const inspected = await call('GET', `/containers/${listed.Id}/json`);
  const { sign } = recordSigner(process.env);
  const model = { server, name: nameOf(server), id: listed.Id };
  const listing = [];
  const containers = new Map();
  for (const [name, own] of labels) {
    const it = { server: name, name: nameOf(name), id: createHash('sha256').update(name).digest('hex') };
    const all = { ...listed.Labels, ...own, 'looms.signature': sign(signedText(own, listed.ImageID)) };
    listing.push({ ...copyOf(listed, model, it), Labels: all });
    const container = copyOf(inspected, model, it);
    containers.set(it.id, JSON.stringify({ ...container, Config: { ...container.Config, Labels: all } }));
  }
  const listingText = JSON.stringify(listing);

  const engine = createServer((asked, answer) => {
    const url = new URL(asked.url, 'http://engine');
    const path = url.pathname.replace(/^\/v[\d.]+/, '');
    const send = (text) => answer.setHeader('content-type', 'application/json').end(text);
    const id = /^\/containers\/(\w+)\/json$/.exec(path)?.[1];
    if (containers.has(id)) return send(containers.get(id));
    if (path === '/containers/json') return send(url.search.includes(project) ? listingText : '[]');
    const { method, headers } = asked;
    if (method !== 'GET' && method !== 'HEAD') return answer.writeHead(501).end();
    return request({ socketPath, method, path: asked.url, headers }, (real) => {
      answer.writeHead(real.statusCode, real.headers);
      real.pipe(answer);
    }).end();
  });
  const socket = `/tmp/looms-bench-${process.pid}.sock`;
  await new Promise((resolve) => engine.listen(socket, resolve));
  return {
    host: `unix://${socket}`,
    close: async () => {
      engine.closeAllConnections();
      await new Promise((resolve) => engine.close(resolve));
      rmSync(socket, { force: true });
    },
  };
}
