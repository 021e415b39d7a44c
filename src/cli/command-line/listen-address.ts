import { LoomsError } from '../../model/errors.ts';

/** The host and port of `--listen`. Throws `usage`. */
export function listenAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', digits = ''] = /^(\[[\da-f:]+\]|[^:\s]+):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (host !== '' && port <= 65_535) return { host: host.replace(/^\[|\]$/g, ''), port };
  throw new LoomsError('usage', `--listen takes HOST:PORT, not ${JSON.stringify(text)}`, {
    hint: 'for example 127.0.0.1:7777, or [::1]:7777; port 0 takes one that is free',
  });
}
