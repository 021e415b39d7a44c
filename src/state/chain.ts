import type { DatabaseSync } from 'node:sqlite';
import type { TrailHead, Verification } from '../model/trail/audit.ts';
import { isRecord } from '../model/values/is-record.ts';
import { parsedJson } from '../model/values/parsed-json.ts';
import type { AuditKeys } from './audit-key.ts';
import { hasTable } from './ledger.ts';

/**
 * The chain of records. Each one's hash is a keyed hash of its place, of the hash before it, and of its text: a change, a
 * deletion or another order anywhere breaks it there. What a chain alone cannot show is a missing end; therefore a mark,
 * hashed with the same key, says where the end is.
 */
const hashOf = (keys: AuditKeys, seq: number, previous: string, record: string): string =>
  keys.chain(`record\n${seq}\n${previous}\n${record}`);

const proofOf = (keys: AuditKeys, { seq, hash }: TrailHead): string => keys.chain(`head\n${seq}\n${hash}`);

const beginning: TrailHead = { seq: 0, hash: '' };

type Mark = { readonly head: TrailHead; readonly proof: string };

function readMark(database: DatabaseSync): Mark | undefined {
  if (!hasTable(database, 'audit_marks')) return undefined;
  return markIn(database.prepare("SELECT seq, hash, proof FROM audit_marks WHERE name = 'head'").get());
}

function markIn(row: Readonly<Record<string, unknown>> | undefined): Mark | undefined {
  if (row === undefined) return undefined;
  return { head: { seq: Number(row.seq), hash: String(row.hash) }, proof: String(row.proof) };
}

/** Whether anything was ever written: then a key exists, and a missing one must not be made anew. */
export const hasBegun = (database: DatabaseSync): boolean =>
  ['audit_marks', 'audit'].some(
    (table) => hasTable(database, table) && database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined,
  );

/** The end of a trail, to which records are put. */
export type TrailEnd = {
  /**
   * Puts a record behind the last one. False: the mark of the end is missing or not ours, and nothing was written; going on
   * from there would hide that. Behind a proven mark it always goes on: records that are missing there leave a gap, which
   * stays.
   */
  readonly append: (record: string) => boolean;
  /** Writes the mark of the new end. Always call it before the transaction is over. */
  readonly seal: () => void;
};

/**
 * What puts records into a ledger that is open for writing. The trail's end is looked for once a transaction, which nobody
 * else comes between, however many records it is for.
 */
export function trailWriter(database: DatabaseSync): (keys: AuditKeys) => TrailEnd {
  const readEnd = database.prepare("SELECT seq, hash, proof FROM audit_marks WHERE name = 'head'");
  const insert = database.prepare('INSERT INTO audit (seq, record, hash) VALUES (?, ?, ?)');
  // Most have one already, and to change it leaves the index of the table as it is.
  const changeMark = database.prepare("UPDATE audit_marks SET seq = ?, hash = ?, proof = ? WHERE name = 'head'");
  const addMark = database.prepare("INSERT INTO audit_marks (name, seq, hash, proof) VALUES ('head', ?, ?, ?)");
  return (keys) => {
    const found = markIn(readEnd.get());
    const isProven = found === undefined ? !hasBegun(database) : found.proof === proofOf(keys, found.head);
    const first = found?.head ?? beginning;
    let last = first;
    return {
      append(record) {
        if (!isProven) return false;
        const seq = last.seq + 1;
        const hash = hashOf(keys, seq, last.hash, record);
        insert.run(seq, record, hash);
        last = { seq, hash };
        return true;
      },
      seal() {
        if (last === first) return;
        const mark = [last.seq, last.hash, proofOf(keys, last)] as const;
        if (changeMark.run(...mark).changes === 0) addMark.run(...mark);
      },
    };
  };
}

/** The first record that does not fit. Reads one record at a time, within the caller's transaction. */
export function verifyChain(database: DatabaseSync, keys: AuditKeys, expected?: TrailHead): Verification {
  let last = beginning;
  let expectedSeen = expected === undefined;
  for (const row of database.prepare('SELECT seq, record, hash FROM audit ORDER BY seq').iterate()) {
    const [seq, record, hash] = [Number(row.seq), String(row.record), String(row.hash)];
    if (seq !== last.seq + 1) return { intact: false, seq: last.seq + 1, fault: 'missing' };
    if (hash !== hashOf(keys, seq, last.hash, record)) {
      return { intact: false, seq, fault: 'changed', ...timeOf(record) };
    }
    if (seq === expected?.seq) {
      if (hash !== expected.hash) return { intact: false, seq, fault: 'other-head', ...timeOf(record) };
      expectedSeen = true;
    }
    last = { seq, hash };
  }
  const mark = readMark(database);
  if (mark === undefined ? last.seq > 0 : mark.proof !== proofOf(keys, mark.head)) {
    return { intact: false, seq: last.seq + 1, fault: 'unproven-end' };
  }
  if ((mark?.head.seq ?? 0) !== last.seq) return { intact: false, seq: last.seq + 1, fault: 'cut-off' };
  if (!expectedSeen) return { intact: false, seq: last.seq + 1, fault: 'other-head' };
  return { intact: true, records: last.seq, ...(mark === undefined ? {} : { head: last }) };
}

/** The time that a record carries; it may have been changed into anything. */
function timeOf(record: string): { time?: string } {
  const value = parsedJson(record);
  return isRecord(value) && typeof value.time === 'string' ? { time: value.time } : {};
}
