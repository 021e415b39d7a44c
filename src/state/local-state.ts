import { appendFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AlertKeeper } from '../model/alerts.ts';
import { failureOf } from '../model/failure.ts';
import type { HealthKeeper } from '../model/health.ts';
import type { ContainerId } from '../model/ids.ts';
import type { SecretPrinter } from '../model/secrets/secret-prints.ts';
import type { AuditReader } from '../model/trail/audit.ts';
import type { Findings } from '../model/trail/findings.ts';
import type { LogKeeper } from '../model/trail/kept-logs.ts';
import { changeAlerts, readAlerts } from './alerts.ts';
import { createAuditReader } from './audit-reader.ts';
import { readExecutions } from './executions.ts';
import { readHealth } from './health.ts';
import { keptLogsFile, logKeeper } from './kept-logs.ts';
import { ledgerPlaces } from './ledger.ts';
import { recordSigner } from './record-signer.ts';
import { secretPrinter } from './secret-printer.ts';
import { serverMemory } from './server-memory.ts';
import { type StatePlaces, type StateWriter, writesHere } from './state-writes.ts';

/** What this machine counted, recorded and found out; nothing is read or made before it is asked for. */
type LocalState = HealthKeeper & {
  /** Resolves when what was found out and kept of servers is written. */
  readonly close: () => Promise<void>;
  readonly countExecutions: (containers: readonly ContainerId[]) => Promise<ReadonlyMap<ContainerId, number>>;
  readonly auditReader: AuditReader;
  readonly alerts: AlertKeeper;
  readonly keptLogs: LogKeeper;
  /** A ledger that cannot be used costs a probe or a moment, no more. */
  readonly serverMemory: Findings;
  readonly secretPrints: SecretPrinter;
  /** Records of others that somebody accepted here. `remember` throws what the file system throws. */
  readonly records: {
    readonly keyName: () => Promise<string | undefined>;
    readonly isKnown: (digest: string) => Promise<boolean>;
    readonly remember: (digest: string) => Promise<void>;
    readonly path: string;
  };
};

/** The state folder of this machine. `writer` is what writes of servers go through: here, or in a thread. */
export function localState(
  environment: Readonly<Record<string, string | undefined>>,
  writer: (places: StatePlaces) => StateWriter = writesHere,
): LocalState {
  const places = ledgerPlaces(environment);
  const { database, knownRecords } = places;
  const logs = keptLogsFile(environment);
  const writes = writer({ ledger: database, logs });
  const printer = secretPrinter(environment);
  return {
    close: writes.close,
    countExecutions: (containers) => readExecutions(database, containers),
    auditReader: createAuditReader(places),
    alerts: {
      readAlerts: (at) => readAlerts(database, at),
      changeAlerts: (at, change) => changeAlerts(database, at, change),
    },
    keptLogs: logKeeper(logs, (one) => writes.write({ kind: 'logs', write: one })),
    readHealth: (at) => readHealth(database, at),
    recordHealth: async (at, findings) => {
      try {
        await writes.write({ kind: 'health', at, findings });
        return { recorded: true };
      } catch (error) {
        const { message, hint } = failureOf(error);
        return { recorded: false, why: hint === undefined ? message : `${message}; ${hint}` };
      }
    },
    serverMemory: serverMemory(database, (key, found) => writes.leave({ kind: 'finding', key, found })),
    secretPrints: {
      keyName: async () => printer.keyName(),
      print: async (whose, secrets) => printer.print(whose, secrets),
    },
    records: {
      keyName: async () => recordSigner(environment).keyName(),
      isKnown: async (digest) => isKnownRecord(knownRecords, digest),
      remember: async (digest) => rememberRecord(knownRecords, digest),
      path: knownRecords,
    },
  };
}

/** Whether a person accepted exactly this record (its digest) before; a list that is not there or readable says no. */
function isKnownRecord(path: string, digest: string): boolean {
  try {
    // Reading a pipe would wait for ever.
    return statSync(path).isFile() && readFileSync(path, 'utf8').split('\n').includes(digest);
  } catch {
    // Not knowing means asking, which is what a first use does as well.
    return false;
  }
}

/** Remembers an accepted record, as ssh does a host. Throws what the file system throws, and for what is no regular file. */
function rememberRecord(path: string, digest: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw new Error(`${path} is no regular file`);
  appendFileSync(path, `${digest}\n`, { mode: 0o600 });
}
