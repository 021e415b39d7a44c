import { createParser } from 'eventsource-parser';
import { LoomsError } from '../../model/errors.ts';
import { type Channel, handOn, messagesIn } from './channel.ts';
import type { HttpLink } from './link.ts';
import { settledWithin } from './settled-within.ts';

/**
 * A channel over the HTTP+SSE transport of 2024-11-05: one stream for all that the server says, which names the address
 * for what it is told. Throws `session-failed` for a server that has no such stream, or names an address of another host,
 * `handshake-timeout` for one that names none within `limitMs`.
 */
export async function overSse(link: HttpLink, server: string, limitMs: number): Promise<Channel> {
  const ending = new AbortController();
  const { signal } = ending;
  const address = Promise.withResolvers<URL>();
  address.promise.catch(() => {}); // Whoever waits for it hears of it as well.
  const close = async (): Promise<void> => {
    ending.abort();
    await link.close();
  };
  const end = (): void => {
    address.reject(new LoomsError('session-failed', `${server} ended its stream before it named an address`));
    if (signal.aborted) return;
    ending.abort();
    channel.onend?.();
  };
  const take = (event: string | undefined, data: string): void => {
    if (event !== 'endpoint') {
      for (const [text, message] of messagesIn(data)) handOn(channel, text, message);
      return;
    }
    const named = URL.canParse(data, link.url.href) ? new URL(data, link.url) : undefined;
    if (named?.origin === link.url.origin) address.resolve(named);
    else address.reject(new LoomsError('session-failed', `${server} named an address of another host: ${data}`));
  };
  const read = async (response: Response): Promise<void> => {
    const parser = createParser({ onEvent: ({ event, data }) => take(event, data) });
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
  };
  const fail = (id: unknown, why: string): void => {
    const message = { jsonrpc: '2.0', id, error: { code: -32603, message: `${server}: ${why}` } } as const;
    channel.ontext?.(JSON.stringify(message), message);
  };

  const channel: Channel = {
    async send(text, message) {
      if (signal.aborted) throw new LoomsError('server-exited', `the session with ${server} is over`);
      const isRequest = message.method !== undefined && message.id !== undefined;
      const headers = { 'content-type': 'application/json' };
      try {
        const sent = { method: 'POST', headers, body: text, signal };
        const response = await link.fetch(await address.promise, sent);
        await response.body?.cancel();
        if (isRequest && !response.ok) fail(message.id, `HTTP ${response.status} without an answer`);
      } catch (error) {
        if (signal.aborted) return;
        if (!isRequest) throw error;
        fail(message.id, 'the connection ended before its answer; it may have run');
      }
    },
    // The end of a connection means nothing here.
    drop: () => false,
    close,
  };
  try {
    const response = await link.fetch(link.url, { headers: { accept: 'text/event-stream' }, signal });
    if (response.status !== 200 || response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      await response.body?.cancel();
      throw new LoomsError(
        'session-failed',
        `${server} has no stream at ${link.url.pathname}: HTTP ${response.status}`,
      );
    }
    read(response).then(end, end);
    await settledWithin(address.promise, limitMs);
    address.reject(new LoomsError('handshake-timeout', `${server} named no address within ${limitMs} ms`));
    await address.promise;
  } catch (error) {
    await close();
    throw error;
  }
  link.onbroken = end;
  return channel;
}
