import { openLedger, readLedger } from './ledger.ts';

/** Rows that are kept: an image that was not met for so long is probably gone. */
const maxVerdicts = 500;

/**
 * The era that a server turned out to speak (`legacy` or `modern`), by a key of its image and command; undefined when it
 * was never found out here. Throws `ledger-unreadable`.
 */
export async function recallVerdict(path: string, key: string): Promise<string | undefined> {
  return readLedger(path, 'verdicts', (database) => {
    const row = database.prepare('SELECT era FROM verdicts WHERE key = ?').get(key);
    return typeof row?.era === 'string' ? row.era : undefined;
  });
}

/** Keeps a verdict in place of an earlier one, and drops all but the newest `kept`. Throws what SQLite throws. */
export async function rememberVerdict(path: string, key: string, era: string, kept = maxVerdicts): Promise<void> {
  const database = await openLedger(path);
  try {
    database.prepare('DELETE FROM verdicts WHERE key = ?').run(key);
    database.prepare('INSERT INTO verdicts (key, era) VALUES (?, ?)').run(key, era);
    database.prepare('DELETE FROM verdicts WHERE rowid <= (SELECT max(rowid) FROM verdicts) - ?').run(kept);
  } finally {
    database.close();
  }
}
