import type { ProjectName, ServerName } from '../../model/ids.ts';
import { isoTime } from '../../model/times.ts';
import { withoutLedger } from '../inspect/read-kept.ts';
import type { Ports } from '../ports.ts';

/** An alert that is not calm, as a loop on this machine last saw it. */
export type ShownAlert = {
  /** As it is written in looms.yaml. */
  readonly rule: string;
  readonly server: ServerName;
  readonly state: 'pending' | 'firing';
  /** Since when it is true. */
  readonly since: string;
  /** For people: `93 %`. */
  readonly value: string;
  /** When a loop last looked at the alerts of the project. */
  readonly asOf: string;
};

/** The alerts of a project that are not calm, those that fire first. Without a ledger that can be read none, and a warning. */
export async function shownAlerts(
  { alerts, orchestrator, warn }: Pick<Ports, 'alerts' | 'orchestrator' | 'warn'>,
  project: ProjectName,
): Promise<readonly ShownAlert[]> {
  const { id: engine } = await (await orchestrator()).describe();
  const unknown = withoutLedger({ warn }, 'alerts-unknown', 'alerts are not known', undefined);
  const book = await alerts.readAlerts({ engine, project }).catch(unknown);
  if (book === undefined) return [];
  const asOf = isoTime(book.at);
  return book.alerts
    .flatMap(({ rule, server, state, since, value }) =>
      state === 'resolved' ? [] : [{ rule, server, state, since: isoTime(since), value, asOf }],
    )
    .sort((a, b) => Number(a.state === 'pending') - Number(b.state === 'pending') || (a.server < b.server ? -1 : 1));
}
