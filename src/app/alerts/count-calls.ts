import { asServerName, type ProjectName, type ServerName } from '../../model/ids.ts';
import { isoTime } from '../../model/times.ts';
import type { Ports } from '../ports.ts';
import type { CallCount } from './readings.ts';

/** Ends of a call that are no fault of its server, or of the way to it. */
const isWell: ReadonlySet<string> = new Set(['ok', 'interrupted']);

type Counts = ReadonlyMap<number, ReadonlyMap<ServerName, CallCount>>;

/**
 * The calls of a project's servers that were made from this machine and have ended, in each of some times (ms until now).
 * Throws `ledger-unreadable`.
 */
export async function countCalls(
  { auditReader, now }: Pick<Ports, 'auditReader' | 'now'>,
  {
    project,
    engine,
    spans,
  }: { readonly project: ProjectName; readonly engine: string; readonly spans: readonly number[] },
): Promise<Counts> {
  const counts = new Map(spans.map((span) => [span, new Map<ServerName, CallCount>()]));
  const backTo = isoTime(now() - Math.max(...spans));
  const starts = spans.map((span) => [span, isoTime(now() - span)] as const);
  for await (const { time, server, result, engine: where } of auditReader.calls({ project, backTo })) {
    if (result === undefined || result === 'refused' || where !== engine) continue;
    for (const [span, start] of starts) {
      if (time < start) continue;
      const found = counts.get(span);
      const { all, failed } = found?.get(asServerName(server)) ?? { all: 0, failed: 0 };
      found?.set(asServerName(server), { all: all + 1, failed: failed + (isWell.has(result) ? 0 : 1) });
    }
  }
  return counts;
}
