import type { HealthFinding, HealthPlace, HealthRecord, Verdict } from '../model/health.ts';
import { asContainerId, asServerName, type ServerName } from '../model/ids.ts';
import { readLedger, writeLedger } from './ledger.ts';

/** Beside the table of earlier versions, `health`, which did not know the run: what it says is about no run of today. */
const table = `CREATE TABLE IF NOT EXISTS server_health (
  engine TEXT NOT NULL,
  project TEXT NOT NULL,
  server TEXT NOT NULL,
  verdict TEXT NOT NULL,
  container TEXT NOT NULL,
  run TEXT NOT NULL,
  tools INTEGER,
  detail TEXT NOT NULL,
  checked_at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (engine, project, server)
) STRICT`;

/**
 * `since` moves only when the verdict is another one than before. What was found before what is kept is left out; a time
 * to come is that of a clock which was set back.
 */
const upsert = `INSERT INTO server_health
    (engine, project, server, verdict, container, run, tools, detail, checked_at, since)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (engine, project, server) DO UPDATE SET
    since = CASE WHEN server_health.verdict = excluded.verdict THEN server_health.since ELSE excluded.since END,
    verdict = excluded.verdict, container = excluded.container, run = excluded.run, tools = excluded.tools,
    detail = excluded.detail, checked_at = excluded.checked_at
  WHERE excluded.checked_at >= server_health.checked_at OR server_health.checked_at > ?`;

/** Keeps what was found over what was kept before; `clock` tells ms since 1970. Throws what SQLite throws. */
export async function recordHealth(
  path: string,
  { engine, project }: HealthPlace,
  findings: readonly HealthFinding[],
  clock: () => number,
): Promise<void> {
  if (findings.length === 0) return;
  await writeLedger(path, (database) => {
    database.exec(table);
    const statement = database.prepare(upsert);
    // Not before: another program may have held the ledger, and kept what it found meanwhile.
    const now = clock();
    for (const { server, verdict, container, run, tools, detail, checkedAt = now } of findings) {
      statement.run(engine, project, server, verdict, container, run, tools, detail, checkedAt, checkedAt, now);
    }
  });
}

const verdicts: ReadonlySet<unknown> = new Set<Verdict>(['healthy', 'unhealthy', 'stopped']);
const isVerdict = (value: unknown): value is Verdict => verdicts.has(value);

/** What was last found about servers, by name; verdicts of other versions are left out. Throws `ledger-unreadable`. */
export async function readHealth(
  path: string,
  { engine, project }: HealthPlace,
): Promise<ReadonlyMap<ServerName, HealthRecord>> {
  const records = await readLedger(path, 'server_health', (database) => {
    const rows = database.prepare('SELECT * FROM server_health WHERE engine = ? AND project = ?').all(engine, project);
    return rows.flatMap((row): [ServerName, HealthRecord][] => {
      if (!isVerdict(row.verdict)) return [];
      const server = asServerName(String(row.server));
      const record: HealthRecord = {
        server,
        verdict: row.verdict,
        container: asContainerId(String(row.container)),
        run: String(row.run),
        tools: row.tools === null ? null : Number(row.tools),
        detail: String(row.detail),
        checkedAt: Number(row.checked_at),
        since: Number(row.since),
      };
      return [[server, record]];
    });
  });
  return new Map(records);
}
