import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlertMessage } from '../../src/app/alerts/message.ts';

/** Whether a message is of whoever has the secret, and of now: what docs/commands.md ("Alerts") shows. */
function isGenuine(headers: Readonly<Record<string, unknown>>, body: string, secret: string): boolean {
  const id = String(headers['webhook-id']);
  const time = String(headers['webhook-timestamp']);
  if (!(Math.abs(Date.now() / 1000 - Number(time)) < 300)) return false;
  const expected = createHmac('sha256', secret).update(`${id}.${time}.${body}`).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .some((one) => {
      const given = Buffer.from(one.replace(/^v1,/, ''), 'base64');
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
}

/** A program that is told of alerts; it takes only what is signed, and answers 503 while `isBroken`. */
export async function webhookReceiver(secret: string) {
  const state = { isBroken: false };
  const messages: AlertMessage[] = [];
  const refused: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const genuine = isGenuine(request.headers, body, secret);
    if (!genuine || state.isBroken) refused.push(body);
    else messages.push(JSON.parse(body));
    response.writeHead(genuine ? (state.isBroken ? 503 : 204) : 401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    messages,
    refused,
    /** `fs: drift firing`, a line each time that it was told; sorted. */
    told: () =>
      messages.flatMap(({ alerts }) => alerts.map(({ server: of, rule, state: is }) => `${of} ${rule} ${is}`)).sort(),
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}
