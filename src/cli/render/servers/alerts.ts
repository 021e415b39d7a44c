import type { ShownAlert } from '../../../app/alerts/shown-alerts.ts';
import { age } from '../../../model/times.ts';
import type { Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable } from '../table.ts';
import { visible } from '../text.ts';

/** After how long nobody seems to look at alerts any more, ms: a loop notes its looks each minute. */
const staleMs = 300_000;

/** Alerts that are not calm, as a table; `now` is ms since 1970. */
export function renderAlerts(alerts: readonly ShownAlert[], now: number, palette: Palette): string {
  const rows = alerts.map(({ server, rule, state, since, value }): Cell[] => [
    { text: visible(server), paint: palette.strong },
    { text: visible(rule), paint: state === 'firing' ? palette.error : palette.warning },
    { text: state, paint: state === 'firing' ? palette.error : palette.warning },
    age(now - Date.parse(since)),
    visible(value),
  ]);
  const table = renderTable(['SERVER', 'ALERT', 'STATE', 'FOR', 'VALUE'], rows, palette);
  const [{ asOf } = { asOf: '' }] = alerts;
  const old = now - Date.parse(asOf);
  return old > staleMs ? `${table}\n${palette.warning(`as a loop saw it ${age(old)} ago: none looks now`)}` : table;
}
