import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** What the page may do in a browser: load what is here, talk to where it came from, and nothing else. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

type Asset = { readonly type: string; readonly plain: Buffer; readonly zipped: Buffer };

/** The files of the page: `index.html`, and those in `assets`, whose names say what is in them. */
export type Assets = {
  /** Answers with the file of an address; false where there is none. */
  readonly answer: (request: IncomingMessage, response: ServerResponse, path: string) => boolean;
};

/** Headers of everything that a browser may show. */
export const pageHeaders = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
} as const;

/** The files of a folder, read when the first of them is asked for. */
export function createAssets(folder: string): Assets {
  let files: ReadonlyMap<string, Asset> | undefined;
  const read = (): ReadonlyMap<string, Asset> =>
    new Map(
      (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []).flatMap(
        (name): [string, Asset][] => {
          const type = types[extname(name)];
          if (type === undefined) return [];
          const plain = readFileSync(join(folder, name));
          const path = name === 'index.html' ? '/' : `/${name.replaceAll('\\', '/')}`;
          return [[path, { type, plain, zipped: gzipSync(plain) }]];
        },
      ),
    );
  return {
    answer(request, response, path) {
      files ??= read();
      const found = files.get(path);
      if (found === undefined) return false;
      const isZipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
      const body = isZipped ? found.zipped : found.plain;
      response.writeHead(200, {
        ...pageHeaders,
        'content-type': found.type,
        'content-length': body.length,
        vary: 'accept-encoding',
        ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
        'cache-control': path === '/' ? 'no-cache' : 'public, max-age=31536000, immutable',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
      return true;
    },
  };
}
