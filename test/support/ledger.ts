import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** All verdicts about protocols in the ledger of a state folder. */
export function recallVerdicts(stateHome: string): unknown[] {
  const database = new DatabaseSync(join(stateHome, 'looms', 'ledger.sqlite'), { readOnly: true });
  try {
    return database
      .prepare("SELECT era FROM verdicts WHERE key NOT LIKE '% end'")
      .all()
      .map(({ era }) => era);
  } finally {
    database.close();
  }
}
