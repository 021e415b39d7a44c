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
