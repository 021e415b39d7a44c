import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { AuditedCall, AuditedTarget, AuditTrail, Written } from '../model/audit.ts';
import { canonicalJson } from '../model/canonical-json.ts';
import type { ContainerId } from '../model/ids.ts';
import { isoTime } from '../model/times.ts';
import { type AuditKeys, makeKeys, readKeys } from './audit-key.ts';
import { append, hasBegun } from './chain.ts';
import { countExecution } from './executions.ts';
import { KeyFault } from './key-file.ts';
import { describeFault, inTransaction, type LedgerPlaces, openLedger } from './ledger.ts';

export type AuditSettings = {
  readonly places: LedgerPlaces;
  readonly who: { readonly user: string; readonly host: string; readonly pid: number };
  /** Masks the secrets in arguments that are kept; asked when a call starts. */
  readonly mask: (args: Readonly<Record<string, unknown>>) => unknown;
};

const written: Written = { written: true };

/**
 * The trail of calls in the ledger of this machine. A call has two records, tied by an id: one from before it is sent,
 * in one transaction with the count of its container, and one from when it ended. So a call whose program was killed is
 * in the trail too, without an end. The ledger stays open in between.
 */
export function createAuditTrail({ places, who, mask }: AuditSettings): AuditTrail {
  const stamp = (event: string, call: string) => ({ v: 1, event, call, time: isoTime(Date.now()) });

  return {
    async started({ arguments: args, keepArguments, ...target }: AuditedCall) {
      const call = randomUUID();
      const text = canonicalJson(args);
      const recordFor = (keys: AuditKeys) => ({
        ...stamp('started', call),
        ...who,
        ...target,
        argumentsBytes: Buffer.byteLength(text),
        argumentsHash: keys.arguments(text),
        ...(keepArguments ? { arguments: mask(args) } : {}),
      });
      const { database, outcome } = await begin(places, recordFor, target.container);
      return {
        start: outcome,
        async ended(end) {
          if (database === undefined) return written;
          try {
            if (!outcome.written) return written;
            return addRecord(database, places, () => ({ ...stamp('ended', call), ...end }));
          } catch (error) {
            return notWritten(error, places);
          } finally {
            database.close();
          }
        },
      };
    },
    async refused(target: AuditedTarget, code) {
      const { database, outcome } = await begin(places, () => ({
        ...stamp('refused', randomUUID()),
        ...who,
        ...target,
        result: 'refused',
        code,
      }));
      database?.close();
      return outcome;
    },
  };
}

type MakeRecord = (keys: AuditKeys) => Readonly<Record<string, unknown>>;

/** Opens the ledger and writes a first record into it. Never throws. */
async function begin(
  places: LedgerPlaces,
  make: MakeRecord,
  counted?: ContainerId,
): Promise<{ readonly database?: DatabaseSync; readonly outcome: Written }> {
  let database: DatabaseSync | undefined;
  try {
    database = await openLedger(places.database);
    return { database, outcome: addRecord(database, places, make, counted) };
  } catch (error) {
    database?.close();
    return { outcome: notWritten(error, places) };
  }
}

/** One transaction: the record, and the count, which does not depend on whether the trail can be written. */
function addRecord(database: DatabaseSync, places: LedgerPlaces, make: MakeRecord, counted?: ContainerId): Written {
  const keys = keysFor(database, places);
  return inTransaction(database, () => {
    if (counted !== undefined) countExecution(database, counted);
    if ('fault' in keys) return keys.fault;
    if (append(database, keys.keys, canonicalJson(make(keys.keys)))) return written;
    return {
      written: false,
      why: `the end of the trail in ${places.database} is not what was written there`,
      hint: `\`looms audit verify\` says more; to begin a new trail, move that file and ${places.keyFile} away`,
    };
  });
}

type Keys = { readonly keys: AuditKeys } | { readonly fault: Written };

function keysFor(database: DatabaseSync, { database: path, keyFile }: LedgerPlaces): Keys {
  try {
    const found = readKeys(keyFile);
    if (found !== undefined) return { keys: found };
    if (!hasBegun(database)) return { keys: makeKeys(keyFile) };
    const hint = `put it back; without it, move ${path} away to begin a new trail`;
    // Whoever began the trail a moment ago made its key before: then it is there now.
    const now = readKeys(keyFile);
    if (now !== undefined) return { keys: now };
    return { fault: { written: false, why: `the key of the trail is gone (${keyFile})`, hint } };
  } catch (error) {
    return { fault: notWritten(error, { database: path, keyFile }) };
  }
}

function notWritten(error: unknown, { database, keyFile }: Pick<LedgerPlaces, 'database' | 'keyFile'>): Written {
  if (error instanceof KeyFault) return { written: false, why: error.message, hint: error.hint };
  // What the file system says names its file; what SQLite says does not.
  const isKey =
    error instanceof Error && 'path' in error && existsSync(database) && String(error.path).startsWith(keyFile);
  return { written: false, ...describeFault(error, isKey ? keyFile : database) };
}
