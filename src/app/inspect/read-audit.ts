import type { AuditQuery, CallRecord, ChangeRecord, SeenChangeResult, SeenResult } from '../../model/audit.ts';
import type { Ports } from '../ports.ts';

/** A call of the trail with a result in every case. */
export type SeenCall = Omit<CallRecord, 'result'> & { readonly result: SeenResult };

/** A change of the trail, likewise. */
export type SeenChange = Omit<ChangeRecord, 'result'> & { readonly result: SeenChangeResult };

type Chosen<Result> = {
  readonly results?: readonly Result[];
  /** Only the newest so many; all without it. */
  readonly last?: number;
};

export type AuditRequest = Omit<AuditQuery, 'newestFirst'> & Chosen<SeenResult>;

export type ChangesRequest = Omit<AuditQuery, 'newestFirst' | 'tools'> & Chosen<SeenChangeResult>;

/** A program may live a little longer than the bound of its call: it closes the session. ms. */
const closingMs = 60_000;

/** The calls of a query, oldest first, as they are asked for; only `last` holds any. Throws `ledger-unreadable`. */
export const readAudit = (ports: Ports, request: AuditRequest): AsyncGenerator<SeenCall> =>
  chosen(request, ports.auditReader.calls, (record) => seen(ports, record));

/** The changes of a query, in the same way. */
export const readChanges = (ports: Ports, request: ChangesRequest): AsyncGenerator<SeenChange> =>
  chosen(request, ports.auditReader.changes, (record) => seenChange(ports, record));

async function* chosen<Written, Seen extends { readonly result: string }>(
  { results, last, ...query }: Omit<AuditQuery, 'newestFirst'> & Chosen<Seen['result']>,
  find: (query: AuditQuery) => AsyncIterable<Written>,
  see: (record: Written) => Seen,
): AsyncGenerator<Seen> {
  const isWanted = ({ result }: Seen): boolean => results === undefined || results.includes(result);
  if (last === undefined) {
    for await (const record of find(query)) {
      const one = see(record);
      if (isWanted(one)) yield one;
    }
    return;
  }
  const newest: Seen[] = [];
  if (last > 0) {
    for await (const record of find({ ...query, newestFirst: true })) {
      const one = see(record);
      if (isWanted(one)) newest.push(one);
      if (newest.length === last) break;
    }
  }
  yield* newest.reverse();
}

/** A change without an end goes on as long as its program does. */
function seenChange(ports: Ports, record: ChangeRecord): SeenChange {
  if (record.result !== undefined) return { ...record, result: record.result };
  const runs = record.host === ports.whoAmI.host && ports.processIsAlive(record.pid);
  return { ...record, result: runs ? 'running' : 'unknown' };
}

/** A call without an end runs as long as its program does and its bound allows; after that nobody will write one. */
function seen(ports: Ports, record: CallRecord): SeenCall {
  if (record.result !== undefined) return { ...record, result: record.result };
  const isDue = ports.now() > Date.parse(record.time) + (record.timeoutMs ?? 0) + closingMs;
  const runs = !isDue && record.host === ports.whoAmI.host && ports.processIsAlive(record.pid);
  return { ...record, result: runs ? 'running' : 'unknown' };
}
