import type { Alert } from '../../model/alerts.ts';
import type { MetricFamily } from '../../model/trail/metrics.ts';

/** A rule for a server. */
export type RuleOfServer = Pick<Alert, 'rule' | 'server'>;

/** Which alerts fire, as metrics (docs/commands.md, "Alerts"). */
export const alertFamilies = (
  firing: readonly RuleOfServer[],
  others: readonly RuleOfServer[],
): readonly MetricFamily[] => {
  const sample =
    (value: number) =>
    ({ rule, server }: RuleOfServer) => ({ labels: { alert: rule, server }, value });
  return [
    {
      name: 'looms_alert_firing',
      type: 'gauge',
      help: 'Whether an alert of looms.yaml fires.',
      samples: [...firing.map(sample(1)), ...others.map(sample(0))],
    },
  ];
};
