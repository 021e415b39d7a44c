import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PageError, PageMessage } from '../../src/model/page/routes.ts';
import { pageAudit, pageDetail, pageEvents, pageLog, pageSamples, pageState } from './page-data.ts';

/** What was asked of a gateway, in its order. */
export type Asked = { readonly method: string; readonly path: string; readonly body: unknown };

/** An answer in place of the usual one. */
type Instead = { readonly status: number; readonly body: unknown };

/** A small gateway that speaks of a made-up project (page-data.ts), for what a real one does not do when it is told to. */
export type PageGateway = AsyncDisposable & {
  readonly url: string;
  readonly asked: Asked[];
  /** Sends to all pages that look. */
  readonly tell: (message: PageMessage) => void;
  /** Writes to all logs that are followed. */
  readonly write: (count: number) => void;
  /** Ends all logs that are followed, and says why. */
  readonly endLogs: (why: PageError) => void;
  /** Answers the next request of a path otherwise. */
  readonly answerNext: (path: string, instead: Instead) => void;
  /** Ends all streams, as a gateway does that goes down. */
  readonly cut: () => void;
  /** Ids that streams were asked to go on from. */
  readonly resumed: string[];
  /** How many pages look now. */
  readonly looking: () => number;
  /** How often a log was opened. */
  readonly logsOpened: () => number;
  /** Knows no session any more. */
  readonly forget: () => void;
};

const dist = fileURLToPath(new URL('../../dist/web/', import.meta.url));
const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** As docs/page.md has it. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'; " +
  "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

export const code = 'one-use-code';

/** Starts one, for a visitor who may do everything, or only look. */
export async function startPageGateway(may: 'all' | 'look' = 'all'): Promise<PageGateway> {
  const asked: Asked[] = [];
  const resumed: string[] = [];
  const streams = new Set<ServerResponse>();
  const logs = new Set<ServerResponse>();
  const instead = new Map<string, Instead>();
  let key = 'key-1';
  let sent = 0;
  const event = (response: ServerResponse, name: string, data: unknown): void => {
    sent += 1;
    response.write(`id: ${sent}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, status: number, errorCode: string, message: string): void =>
    json(response, status, { error: { code: errorCode, message } });
  const open = (response: ServerResponse, all: Set<ServerResponse>): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    all.add(response);
    response.once('close', () => all.delete(response));
  };
  let written = 0;
  let logsOpened = 0;
  const lines = (name: string, grep: string | null) =>
    pageLog(name).filter(({ text: line }) => grep === null || new RegExp(grep).test(line));

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const { pathname, searchParams } = url;
    const { method = 'GET', headers } = request;
    if (pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy });
      return void response.end(readFileSync(`${dist}index.html`));
    }
    if (pathname.startsWith('/assets/')) {
      const type = types[extname(pathname)] ?? 'text/plain';
      response.writeHead(200, { 'content-type': `${type}; charset=utf-8` });
      return void response.end(readFileSync(`${dist}assets/${pathname.slice('/assets/'.length)}`));
    }
    const body = method === 'POST' ? JSON.parse(await text(request)) : undefined;
    asked.push({ method, path: pathname + url.search, body });
    const other = instead.get(pathname);
    if (other !== undefined) {
      instead.delete(pathname);
      return json(response, other.status, other.body);
    }
    if (pathname === '/page/session' && method === 'POST') {
      if (body.code !== code && body.token !== 'looms-token') {
        return refuse(response, 401, 'login-refused', 'this code was used, or is older than 60s');
      }
      return json(response, 200, { token: key, principal: 'local', may: {}, expiresAt: '' });
    }
    if (headers.authorization !== `Bearer ${key}`) return refuse(response, 401, 'unauthorized', 'no session');
    switch (pathname) {
      case '/page/session':
        return json(response, 200, {});
      case '/page/stream': {
        open(response, streams);
        const after = headers['last-event-id'];
        if (typeof after === 'string') resumed.push(after);
        event(response, 'state', pageState(may));
        if (after === undefined) event(response, 'past', { samples: pageSamples(), events: pageEvents() });
        return;
      }
      case '/page/log': {
        const name = searchParams.get('server') ?? '*';
        open(response, logs);
        logsOpened += 1;
        for (const line of lines(name === '*' ? 'files' : name, searchParams.get('grep')))
          event(response, 'line', line);
        event(response, 'live', { at: new Date().toISOString() });
        return;
      }
      case '/page/audit':
        return json(response, 200, pageAudit());
      case '/page/call':
        return json(response, 200, {
          result: {
            content: [{ type: 'text', text: `called with ${JSON.stringify(body.arguments)}` }],
            structuredContent: { matches: ['/data/a.md', '/data/b.md'] },
          },
          milliseconds: 42,
        });
      case '/page/act':
      case '/page/plan':
        return json(response, 200, { outcome: 'done', servers: [], notices: [] });
    }
    if (pathname.startsWith('/page/servers/')) {
      return json(response, 200, pageDetail(decodeURIComponent(pathname.split('/')[3] ?? ''), may === 'all'));
    }
    return refuse(response, 404, 'not-found', 'nothing is here');
  };

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const response of [...streams, ...logs]) response.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}/`,
    asked,
    resumed,
    looking: () => streams.size,
    logsOpened: () => logsOpened,
    tell: ({ event: name, data }) => {
      for (const response of streams) event(response, name, data);
    },
    write: (count) => {
      for (const response of logs) {
        for (let at = 0; at < count; at += 1) {
          written += 1;
          const ts = new Date().toISOString();
          event(response, 'line', {
            ts,
            server: 'files',
            generation: 7,
            stream: 'stdout',
            gone: false,
            text: `new line ${written}`,
          });
        }
      }
    },
    endLogs: (why) => {
      for (const response of logs) event(response, 'end', why);
    },
    answerNext: (path, other) => void instead.set(path, other),
    cut,
    forget: () => {
      key = 'key-2';
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
