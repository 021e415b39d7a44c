import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** How long an answer of the system's resolver is used again, ms; curl's default, too. */
const rememberedMs = 60_000;

type Answer = { readonly until: number; readonly addresses: Promise<readonly LookupAddress[]> };

const ask = (host: string, options: LookupOptions): Promise<readonly LookupAddress[]> =>
  new Promise((resolve, reject) => {
    lookup(host, { ...options, all: true }, (error, addresses) =>
      error === null ? resolve(addresses) : reject(error),
    );
  });

/**
 * The system's resolver, asked once a minute for a host instead of for every connection: a run makes dozens of them, and
 * a slow name server would be waited for each time. A failure is not remembered. `nowMs` is monotonic, `resolve` asks.
 */
export function rememberedLookup(nowMs: () => number = () => performance.now(), resolve = ask): LookupFunction {
  const known = new Map<string, Answer>();
  return (host, options, callback) => {
    const key = JSON.stringify([host, options.family, options.hints]);
    const found = known.get(key);
    const answer =
      found !== undefined && found.until > nowMs()
        ? found
        : { until: nowMs() + rememberedMs, addresses: resolve(host, options) };
    known.set(key, answer);
    answer.addresses.then(
      (addresses) => {
        const [first] = addresses;
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: NodeJS.ErrnoException) => {
        if (known.get(key) === answer) known.delete(key);
        callback(error, '');
      },
    );
  };
}
