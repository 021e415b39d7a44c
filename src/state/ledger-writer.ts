import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { ContainerId } from '../model/ids.ts';
import type { Written } from '../model/trail/audit.ts';
import { canonicalJson } from '../model/values/canonical-json.ts';
import { parseExactly } from '../model/values/exact-number.ts';
import { isRecord } from '../model/values/is-record.ts';
import { type AuditKeys, keyReader, makeKeys } from './audit-key.ts';
import { hasBegun, type TrailEnd, trailWriter } from './chain.ts';
import { executionCounter } from './executions.ts';
import { KeyFault } from './key-file.ts';
import { busyTimeoutMs, describeFault, inTransaction, isBusy, type LedgerPlaces, openLedger } from './ledger.ts';

/** One record of the trail. */
type TrailRecord = {
  /** As canonical JSON. */
  readonly json: string;
  /** Arguments of which it is to have the keyed hash. */
  readonly arguments?: string;
  /** Counted in the same transaction, which does not depend on whether the trail can be written. */
  readonly counted?: ContainerId;
  /** `begins` a call whose end will come, and the ledger stays open until then. */
  readonly part: 'begins' | 'ends' | 'whole';
};

/** Writes records in the order in which they come. Nothing of it throws: what went wrong comes back. */
export type LedgerWriter = {
  /** Starts what writes, so that the first record does not wait for that. */
  readonly prepare: () => void;
  /** `soon`: with the next record that is written `now`, and 10 ms from now in any case. */
  readonly write: (record: TrailRecord, when?: 'now' | 'soon') => Promise<Written>;
  /** Resolves when the ledger is closed; a record after that opens it again. */
  readonly close: () => Promise<void>;
};

/** Tells this module apart that it runs as a thread of its own. */
const task = 'looms-write-ledger';

type Task = { readonly task: typeof task; readonly places: LedgerPlaces };
type Request = { readonly id: number; readonly record?: TrailRecord };
/** What the thread is asked, and how many calls are open by then, as this side knows: it gives up starts that come late. */
type Batch = { readonly requests: readonly Request[]; readonly openCalls: number };
/** What the thread says: that it has begun, and what became of requests. */
type Message = 'began' | readonly { readonly id: number; readonly outcome: Written }[];

/** How long a record is waited for once the thread has begun, ms: one batch before it, and its own, each held by others. */
const answerMs = 2 * busyTimeoutMs + 1_000;
/** How long the thread may take to begin, ms: a busy machine makes it slow. */
const beginMs = 30_000;

/** How long a record that nobody waits for may wait for company, ms: a transaction of its own costs as much as that of a call. */
const soonMs = 10;

/** How long the ledger stays open when no call is: opening it costs more than a warm call. */
const openMs = 500;

const written: Written = { written: true };

/**
 * A writer in a thread of its own, so that neither a slow disk nor another program that has the ledger locked holds this
 * one up: whoever waits for a record waits at most 5 s. What comes while the thread writes is its next transaction. The
 * thread starts with the first record or `prepare`, and keeps no program alive but for what it has still to write.
 */
export function createLedgerWriter(places: LedgerPlaces): LedgerWriter {
  const waiting = new Map<
    number,
    { readonly settle: (outcome: Written) => void; readonly begins: boolean; timer?: NodeJS.Timeout }
  >();
  let thread: Worker | undefined;
  let hasBegunYet = false;
  let last = 0;
  /** What waits until the thread has answered: a message to it costs more than what stands in one. */
  let outbox: Request[] = [];
  let isAnswering = false;
  /** Whether what waits is to go as soon as the thread has answered. */
  let isDue = false;
  let soon: NodeJS.Timeout | undefined;
  /** Starts that are written or may be, without their ends. */
  let openCalls = 0;

  const settle = (id: number, outcome: Written): void => {
    const one = waiting.get(id);
    if (one === undefined) return;
    clearTimeout(one.timer);
    waiting.delete(id);
    if (waiting.size === 0) thread?.unref();
    // Of what is not known to be written no end comes, also where the thread writes it later: it is told so.
    if (one.begins && !outcome.written) {
      openCalls -= 1;
      due();
    }
    one.settle(outcome);
  };
  const giveUp = (id: number, afterMs: number): void => {
    const one = waiting.get(id);
    if (one === undefined) return;
    clearTimeout(one.timer);
    const why = `${places.database} was not written within ${afterMs / 1000} s`;
    one.timer = setTimeout(
      () => settle(id, { written: false, why, hint: 'another program may have it locked, or its disk is slow' }),
      afterMs,
    );
  };
  const fail = (error: unknown): void => {
    thread = undefined;
    hasBegunYet = false;
    outbox = [];
    isAnswering = false;
    isDue = false;
    clearTimeout(soon);
    soon = undefined;
    const outcome: Written = { written: false, ...describeFault(error, places.database) };
    for (const id of [...waiting.keys()]) settle(id, outcome);
  };
  const start = (): Worker => {
    if (thread !== undefined) return thread;
    const made = new Worker(new URL(import.meta.url), {
      workerData: { task, places } satisfies Task,
      name: 'looms-ledger',
      stdout: true,
      stderr: true,
      execArgv: [],
    });
    made.on('message', (message: Message) => {
      if (message !== 'began') {
        isAnswering = false;
        post(made);
        for (const { id, outcome } of message) settle(id, outcome);
        return;
      }
      hasBegunYet = true;
      for (const id of waiting.keys()) giveUp(id, answerMs);
    });
    made.on('error', fail);
    made.on('exit', () => {
      if (thread === made) fail(new Error('what writes it ended'));
    });
    made.unref();
    thread = made;
    return made;
  };
  const post = (running: Worker): void => {
    if (isAnswering || !isDue) return;
    isAnswering = true;
    isDue = false;
    clearTimeout(soon);
    soon = undefined;
    running.postMessage({ requests: outbox, openCalls } satisfies Batch);
    outbox = [];
  };
  const due = (): void => {
    isDue = true;
    if (thread !== undefined) post(thread);
  };
  const ask = (record?: TrailRecord, when: 'now' | 'soon' = 'now'): Promise<Written> =>
    new Promise((resolve) => {
      last += 1;
      const id = last;
      waiting.set(id, { settle: resolve, begins: record?.part === 'begins' });
      if (record?.part === 'begins') openCalls += 1;
      if (record?.part === 'ends') openCalls -= 1;
      start().ref();
      giveUp(id, hasBegunYet ? answerMs : beginMs);
      outbox.push({ id, ...(record === undefined ? {} : { record }) });
      if (when === 'now') due();
      else soon ??= setTimeout(due, soonMs);
    });

  return {
    prepare: () => void start(),
    write: ask,
    async close() {
      if (thread !== undefined) await ask();
    },
  };
}

/** Writes what it is asked to, all that is there in one transaction. */
function serve(places: LedgerPlaces, tell: (message: Message) => void): (batch: Batch) => void {
  let queue: Request[] = [];
  let isWriting = false;
  let open: Open | undefined;
  const readKeys = keyReader(places.keyFile);
  let openCalls = 0;
  let idle: NodeJS.Timeout | undefined;

  const shut = (): void => {
    clearTimeout(idle);
    open?.database.close();
    open = undefined;
  };
  const shutSoon = (): void => {
    clearTimeout(idle);
    idle = setTimeout(shut, openMs);
    idle.unref();
  };
  const attempt = async (records: readonly TrailRecord[]): Promise<readonly Written[]> => {
    try {
      open ??= openFor(await openLedger(places.database));
      const writing = open;
      const keys = keysFor(writing.database, places, readKeys);
      return await inTransaction(writing.database, () => addRecords(writing, places, keys, records));
    } catch (error) {
      shut();
      // One that cannot be written holds no other back, unless none can be.
      if (records.length === 1 || isBusy(error)) return records.map(() => notWritten(error, places));
      const each: Written[] = [];
      for (const record of records) each.push(...(await attempt([record])));
      return each;
    }
  };
  const drain = async (): Promise<void> => {
    isWriting = true;
    clearTimeout(idle);
    do {
      const batch = queue;
      queue = [];
      const asked = batch.flatMap(({ id, record }) => (record === undefined ? [] : [{ id, record }]));
      const outcomes = asked.length === 0 ? [] : await attempt(asked.map(({ record }) => record));
      const closing = batch.filter(({ record }) => record === undefined);
      if (closing.length > 0) shut();
      else if (openCalls === 0) shutSoon();
      tell([
        ...asked.map(({ id }, index) => ({ id, outcome: outcomes[index] ?? written })),
        ...closing.map(({ id }) => ({ id, outcome: written })),
      ]);
    } while (queue.length > 0);
    isWriting = false;
  };
  return ({ requests, openCalls: open }) => {
    openCalls = open;
    queue.push(...requests);
    if (!isWriting) drain();
  };
}

/** A ledger that is open, with what is done in it prepared. */
type Open = {
  readonly database: DatabaseSync;
  readonly count: ReturnType<typeof executionCounter>;
  readonly trailEnd: ReturnType<typeof trailWriter>;
};

const openFor = (database: DatabaseSync): Open => ({
  database,
  count: executionCounter(database),
  trailEnd: trailWriter(database),
});

function addRecords(open: Open, places: LedgerPlaces, keys: Keys, records: readonly TrailRecord[]): readonly Written[] {
  for (const { counted } of records) if (counted !== undefined) open.count(counted);
  if ('fault' in keys) return records.map(() => keys.fault);
  const end = open.trailEnd(keys.keys);
  const outcomes = records.map((record) => addRecord(end, places, keys.keys, record));
  end.seal();
  return outcomes;
}

function addRecord(end: TrailEnd, places: LedgerPlaces, keys: AuditKeys, record: TrailRecord): Written {
  if (end.append(textOf(record, keys))) return written;
  return {
    written: false,
    why: `the end of the trail in ${places.database} is not what was written there`,
    hint: `\`looms audit verify\` says more; to begin a new trail, move that file and ${places.keyFile} away`,
  };
}

function textOf({ json, arguments: text }: TrailRecord, keys: AuditKeys): string {
  if (text === undefined) return json;
  const record = parseExactly(json);
  return canonicalJson({ ...(isRecord(record) ? record : {}), argumentsHash: keys.arguments(text) });
}

type Keys = { readonly keys: AuditKeys } | { readonly fault: Written };

function keysFor(
  database: DatabaseSync,
  { database: path, keyFile }: LedgerPlaces,
  readKeys: () => AuditKeys | undefined,
): Keys {
  try {
    const found = readKeys();
    if (found !== undefined) return { keys: found };
    if (!hasBegun(database)) return { keys: makeKeys(keyFile) };
    const hint = `put it back; without it, move ${path} away to begin a new trail`;
    // Whoever began the trail a moment ago made its key before: then it is there now.
    const now = readKeys();
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

const given: Partial<Task> | undefined = isMainThread ? undefined : workerData;
if (given?.task === task && given.places !== undefined) {
  const tell = (message: Message): void => parentPort?.postMessage(message);
  parentPort?.on('message', serve(given.places, tell));
  tell('began');
}
