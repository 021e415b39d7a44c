import type { AuditQuery, CallRecord, ChangeRecord, SeenChangeResult, SeenResult } from '../../model/trail/audit.ts';
import type { Ports } from '../ports.ts';

/** A call of the trail with a result in every case. */
export type SeenCall = Omit<CallRecord, 'result'> & { readonly result: SeenResult };

export type AuditRequest = Omit<AuditQuery, 'newestFirst'> & {
  readonly results?: readonly SeenResult[];
  /** Only the newest so many; all without it. */
  readonly last?: number;
};

/** A change of the trail with a result in every case. */
export type SeenChange = Omit<ChangeRecord, 'result'> & { readonly result: SeenChangeResult };

export type ChangesRequest = Omit<AuditRequest, 'results' | 'tools'> & {
  readonly results?: readonly SeenChangeResult[];
};

/** A program may live a little longer than the bound of its call: it closes the session. ms. */
const closingMs = 60_000;

/** The calls of a query, oldest first, as they are asked for; only `last` holds any. Throws `ledger-unreadable`. */
export async function* readAudit(ports: Ports, request: AuditRequest): AsyncGenerator<SeenCall> {
  const { results, ...query } = request;
  yield* lastOf(
    query,
    (one) => ports.auditReader.calls(one),
    (call) => seen(ports, call),
    results,
  );
}

/** The changes of a query, as `readAudit` gives calls. */
export async function* readChanges(ports: Ports, request: ChangesRequest): AsyncGenerator<SeenChange> {
  const { results, ...query } = request;
  yield* lastOf(
    query,
    (one) => ports.auditReader.changes(one),
    (change) => seenChange(ports, change),
    results,
  );
}

/** Whether the trail has a call or a change of a server. Throws `ledger-unreadable`. */
export async function isInTrail({ auditReader }: Pick<Ports, 'auditReader'>, server: string): Promise<boolean> {
  const query = { servers: [server], newestFirst: true };
  for await (const _ of auditReader.calls(query)) return true;
  for await (const _ of auditReader.changes(query)) return true;
  return false;
}

async function* lastOf<Record, Seen extends { readonly result: string }>(
  { last, ...query }: Omit<AuditRequest, 'results'>,
  read: (query: AuditQuery) => AsyncIterable<Record>,
  seenAs: (record: Record) => Seen,
  results: readonly string[] | undefined,
): AsyncGenerator<Seen> {
  if (last === 0) return;
  const newest: Seen[] = [];
  for await (const record of read(last === undefined ? query : { ...query, newestFirst: true })) {
    const one = seenAs(record);
    if (results?.includes(one.result) === false) continue;
    if (last === undefined) yield one;
    else newest.push(one);
    if (newest.length === last) break;
  }
  yield* newest.reverse();
}

/** A change without an end goes on as long as its program does. */
function seenChange(ports: Ports, record: ChangeRecord): SeenChange {
  return { ...record, result: record.result ?? unendedResult(ports, record) };
}

/** A call without an end runs as long as its program does and its bound allows; after that nobody will write one. */
function seen(ports: Ports, record: CallRecord): SeenCall {
  const isDue = ports.now() > Date.parse(record.time) + (record.timeoutMs ?? 0) + closingMs;
  return { ...record, result: record.result ?? (isDue ? 'unknown' : unendedResult(ports, record)) };
}

/** What came of something whose program has not written its end. */
const unendedResult = (
  { whoAmI, processIsAlive }: Ports,
  { host, pid }: Pick<CallRecord, 'host' | 'pid'>,
): 'running' | 'unknown' => (host === whoAmI.host && processIsAlive(pid) ? 'running' : 'unknown');
