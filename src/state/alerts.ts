import { type Alert, type AlertBook, type AlertEnd, alertEnds } from '../model/alerts.ts';
import { LoomsError } from '../model/errors.ts';
import type { HealthPlace } from '../model/health.ts';
import { isRecord } from '../model/values/is-record.ts';
import { parsedJson } from '../model/values/parsed-json.ts';
import { describeFault, readLedger, writeLedger } from './ledger.ts';

const table = `CREATE TABLE IF NOT EXISTS alerts (
  engine TEXT NOT NULL,
  project TEXT NOT NULL,
  book TEXT NOT NULL,
  PRIMARY KEY (engine, project)
) STRICT`;

const select = 'SELECT book FROM alerts WHERE engine = ? AND project = ?';

/** The alerts of a project; undefined where no loop ever looked. Throws `ledger-unreadable`. */
export const readAlerts = (path: string, { engine, project }: HealthPlace): Promise<AlertBook | undefined> =>
  readLedger(path, 'alerts', (database) => bookOf(database.prepare(select).get(engine, project)?.book));

/**
 * Changes the alerts of a project, alone among all programs; `undefined` leaves them. Returns what is kept then. Throws
 * `ledger-unreadable`, and what `change` throws.
 */
export async function changeAlerts(
  path: string,
  { engine, project }: HealthPlace,
  change: (book: AlertBook | undefined) => AlertBook | undefined,
): Promise<AlertBook | undefined> {
  try {
    return await writeLedger(path, (database) => {
      database.exec(table);
      const before = bookOf(database.prepare(select).get(engine, project)?.book);
      const after = change(before);
      if (after === undefined) return before;
      database
        .prepare('INSERT OR REPLACE INTO alerts (engine, project, book) VALUES (?, ?, ?)')
        .run(engine, project, JSON.stringify(after));
      return after;
    });
  } catch (error) {
    if (error instanceof LoomsError) throw error;
    const { why, hint } = describeFault(error, path);
    throw new LoomsError('ledger-unreadable', `the ledger cannot be written: ${why}`, { hint, cause: error });
  }
}

/** What is kept is a claim of whoever can write the ledger; of one that is not sound the rest counts. */
function bookOf(text: unknown): AlertBook | undefined {
  const read = parsedJson(String(text));
  if (!isRecord(read) || !Number.isSafeInteger(read.at) || !Array.isArray(read.alerts)) return undefined;
  const { at, alerts, tellers } = read;
  return {
    at: Number(at),
    alerts: alerts.filter(isAlert),
    ...(Array.isArray(tellers) ? { tellers: tellers.filter(isTeller) } : {}),
  };
}

const isTeller = (value: unknown): value is NonNullable<AlertBook['tellers']>[number] =>
  isRecord(value) &&
  typeof value.receiver === 'string' &&
  typeof value.id === 'string' &&
  Number.isSafeInteger(value.until);

const isMoment = (value: unknown): value is number => Number.isSafeInteger(value);

/** What an alert has in the state that it claims to have; what its state does not know of is no matter. */
const isOfState = ({ state, firedAt, clearSince, resolvedAt, why }: Readonly<Record<string, unknown>>): boolean =>
  state === 'pending' ||
  (state === 'firing' && isMoment(firedAt) && (clearSince === undefined || isMoment(clearSince))) ||
  (state === 'resolved' && isMoment(firedAt) && isMoment(resolvedAt) && (why === undefined || isEnd(why)));

const isEnd = (value: unknown): value is AlertEnd => alertEnds.some((one) => one === value);

function isAlert(value: unknown): value is Alert {
  if (!isRecord(value)) return false;
  const { rule, server, since, value: shown, knownAt, told } = value;
  return (
    [rule, server, shown].every((one) => typeof one === 'string') &&
    isMoment(since) &&
    isMoment(knownAt) &&
    isOfState(value) &&
    isRecord(told) &&
    Object.values(told).every(
      (one) => isRecord(one) && (one.state === 'firing' || one.state === 'resolved') && isMoment(one.at),
    )
  );
}
