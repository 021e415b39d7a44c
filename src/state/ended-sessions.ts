import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { messageOf } from '../model/failure.ts';

/** Ids that are remembered; of more the oldest go first. */
const usualMost = 10_000;

type Options = {
  /** How long an id is remembered, ms: as long as it would be taken. */
  readonly keepMs: number;
  readonly most?: number;
  /** Hears that an id could not be written down; foreign text in it. */
  readonly onFault: (text: string) => void;
  readonly now?: () => number;
};

/**
 * Ids of sessions of a gateway that are over, for the gateways that come after it: an id holds what its session is begun
 * with. A line an id: when it ended, in ms since the epoch, and its SHA-256. A line that is none of these is left out.
 */
export function endedSessions(
  path: string,
  { keepMs, most = usualMost, onFault, now = Date.now }: Options,
): { readonly has: (id: string) => boolean; readonly add: (id: string) => void } {
  const endedAt = new Map<string, number>();
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const line of text.split('\n')) {
    const [, at, digest] = /^(\d+) ([\w-]{43})$/.exec(line) ?? [];
    if (digest !== undefined && Number(at) + keepMs > now()) remember(digest, Number(at));
  }
  let lines = text.split('\n').length - 1;
  if (text !== linesOf()) write(rewrite);

  return {
    has: (id) => endedAt.has(digestOf(id)),
    add(id) {
      const digest = digestOf(id);
      const at = now();
      remember(digest, at);
      write(lines < 2 * most ? () => append(digest, at) : rewrite);
    },
  };

  function remember(digest: string, at: number): void {
    endedAt.set(digest, at);
    const [oldest] = endedAt.keys();
    if (endedAt.size > most && oldest !== undefined) endedAt.delete(oldest);
  }
  function linesOf(): string {
    return [...endedAt].map(([digest, at]) => lineOf(digest, at)).join('');
  }
  function append(digest: string, at: number): void {
    appendFileSync(path, lineOf(digest, at), { mode: 0o600 });
    lines += 1;
  }
  /** Anew, without those that are not remembered any more; whole, or as it was. */
  function rewrite(): void {
    writeFileSync(`${path}.new`, linesOf(), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    lines = endedAt.size;
  }
  function write(how: () => void): void {
    try {
      how();
    } catch (error) {
      onFault(`an ended session may be begun again after a restart: ${messageOf(error)}`);
    }
  }
}

const lineOf = (digest: string, at: number): string => `${at} ${digest}\n`;
const digestOf = (id: string): string => createHash('sha256').update(id).digest('base64url');
