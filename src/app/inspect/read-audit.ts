import type { AuditQuery, CallRecord, SeenResult } from '../../model/audit.ts';
import type { Ports } from '../ports.ts';

/** A call of the trail with a result in every case. */
export type SeenCall = Omit<CallRecord, 'result'> & { readonly result: SeenResult };

export type AuditRequest = Omit<AuditQuery, 'newestFirst'> & {
  readonly results?: readonly SeenResult[];
  /** Only the newest so many; all without it. */
  readonly last?: number;
};

/** A program may live a little longer than the bound of its call: it closes the session. ms. */
const closingMs = 60_000;

/** The calls of a query, oldest first, as they are asked for; only `last` holds any. Throws `ledger-unreadable`. */
export async function* readAudit(ports: Ports, request: AuditRequest): AsyncGenerator<SeenCall> {
  const { results, last, ...query } = request;
  const isWanted = ({ result }: SeenCall): boolean => results === undefined || results.includes(result);
  if (last === undefined) {
    for await (const record of ports.auditReader.calls(query)) {
      const call = seen(ports, record);
      if (isWanted(call)) yield call;
    }
    return;
  }
  const newest: SeenCall[] = [];
  if (last > 0) {
    for await (const record of ports.auditReader.calls({ ...query, newestFirst: true })) {
      const call = seen(ports, record);
      if (isWanted(call)) newest.push(call);
      if (newest.length === last) break;
    }
  }
  yield* newest.reverse();
}

/** A call without an end runs as long as its program does and its bound allows; after that nobody will write one. */
function seen(ports: Ports, record: CallRecord): SeenCall {
  if (record.result !== undefined) return { ...record, result: record.result };
  const isDue = ports.now() > Date.parse(record.time) + (record.timeoutMs ?? 0) + closingMs;
  const runs = !isDue && record.host === ports.whoAmI.host && ports.processIsAlive(record.pid);
  return { ...record, result: runs ? 'running' : 'unknown' };
}
