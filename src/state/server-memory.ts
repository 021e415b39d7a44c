import type { Findings } from '../model/trail/findings.ts';
import { readLedger, writeLedger } from './ledger.ts';

/** Rows that are kept, two for a server: an image that was not met for so long is probably gone. */
const mostKept = 1_000;

/** What was found out about a server, by a key of image, command and question. Throws `ledger-unreadable`. */
export async function recallFinding(path: string, key: string): Promise<string | undefined> {
  return readLedger(path, 'verdicts', (database) => {
    const row = database.prepare('SELECT era FROM verdicts WHERE key = ?').get(key);
    return typeof row?.era === 'string' ? row.era : undefined;
  });
}

/** Keeps a finding in place of an earlier one, and drops all but the newest `kept`. Throws what SQLite throws. */
export async function rememberFinding(path: string, key: string, found: string, kept = mostKept): Promise<void> {
  await writeLedger(path, (database) => {
    database.prepare('DELETE FROM verdicts WHERE key = ?').run(key);
    database.prepare('INSERT INTO verdicts (key, era) VALUES (?, ?)').run(key, found);
    database.prepare('DELETE FROM verdicts WHERE rowid <= (SELECT max(rowid) FROM verdicts) - ?').run(kept);
  });
}

/**
 * What was found out about servers, read once by a program that goes on: another one finds out the same of the same image
 * and command; `keep` writes down what this one finds out, and never throws. What nobody has found out yet is looked up each time. Never throws: what cannot be remembered is found out
 * again the next time.
 */
export function serverMemory(path: string, keep: (key: string, found: string) => Promise<void>): Findings {
  const known = new Map<string, string>();
  const learn = (key: string, found: string | undefined): string | undefined => {
    if (found === undefined) return undefined;
    if (known.size >= mostKept) known.clear();
    known.set(key, found);
    return found;
  };
  return {
    async recall(key) {
      if (known.has(key)) return known.get(key);
      const found = await recallFinding(path, key).catch(() => undefined);
      // What was remembered meanwhile is newer.
      return known.get(key) ?? learn(key, found);
    },
    async remember(key, found) {
      learn(key, found);
      await keep(key, found);
    },
  };
}
