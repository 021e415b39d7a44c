import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { messageOf } from '../model/failure.ts';

/** Ids of which something is noted, and characters of all notes; of more the oldest go first. */
const usualMost = 10_000;
const mostText = 4 * 1024 * 1024;

type Options = {
  /** How long a note is kept, ms: as long as its id would be taken. */
  readonly keepMs: number;
  readonly most?: number;
  /** Hears that a note could not be written down; foreign text in it. */
  readonly onFault: (text: string) => void;
  readonly now?: () => number;
};

type Note = { readonly at: number; readonly text: string };

/**
 * What is noted of the sessions of a gateway, for those that come after it: an id holds only what its session is begun with.
 * A line a note, of which the last of an id holds: when it was written, in ms since the epoch, the id's SHA-256, and the
 * note, of letters, digits, `-` and `_`. A line that is none of these is left out.
 */
export function sessionNotes(
  path: string,
  { keepMs, most = usualMost, onFault, now = Date.now }: Options,
): { readonly of: (id: string) => string | undefined; readonly write: (id: string, text: string) => void } {
  const notes = new Map<string, Note>();
  let length = 0;
  const found = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const line of found.split('\n')) {
    const [, at, digest, text] = /^(\d+) ([\w-]{43}) ([\w-]+)$/.exec(line) ?? [];
    if (digest !== undefined && text !== undefined && Number(at) + keepMs > now())
      keep(digest, { at: Number(at), text });
  }
  let lines = found.split('\n').length - 1;
  if (found !== linesOf()) write(rewrite);

  return {
    of: (id) => notes.get(digestOf(id))?.text,
    write(id, text) {
      const digest = digestOf(id);
      const note = { at: now(), text };
      keep(digest, note);
      write(lines < 2 * most ? () => append(digest, note) : rewrite);
    },
  };

  function keep(digest: string, note: Note): void {
    forget(digest);
    notes.set(digest, note);
    length += note.text.length;
    for (const [oldest] of notes) {
      if (notes.size <= most && length <= mostText) return;
      forget(oldest);
    }
  }
  function forget(digest: string): void {
    length -= notes.get(digest)?.text.length ?? 0;
    notes.delete(digest);
  }
  function linesOf(): string {
    return [...notes].map(([digest, note]) => lineOf(digest, note)).join('');
  }
  function append(digest: string, note: Note): void {
    appendFileSync(path, lineOf(digest, note), { mode: 0o600 });
    lines += 1;
  }
  /** Anew, without those that are not kept any more; whole, or as it was. */
  function rewrite(): void {
    writeFileSync(`${path}.new`, linesOf(), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    lines = notes.size;
  }
  function write(how: () => void): void {
    try {
      how();
    } catch (error) {
      onFault(
        `what was noted of a session does not outlive this gateway, and one that is over may be begun again: ${messageOf(error)}`,
      );
    }
  }
}

const lineOf = (digest: string, { at, text }: Note): string => `${at} ${digest} ${text}\n`;
const digestOf = (id: string): string => createHash('sha256').update(id).digest('base64url');
