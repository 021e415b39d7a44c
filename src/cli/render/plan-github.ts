import type { Source } from '../../model/desired.ts';
import type { Plan } from '../../model/plan.ts';
import { planFindings } from './plan-findings.ts';
import { countActions, describeCounts } from './reasons.ts';

/** GitHub reads commands line by line; these would end one or a property of it. */
const value = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string): string => value(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** A plan as GitHub Actions workflow commands: an annotation at each server's document, and the counts as a notice. */
export function renderGithub(plan: Plan, sources: ReadonlyMap<string, Source>): string {
  const findings = planFindings(plan, sources).map(({ server, action, drifted, details, source }) => {
    const level = drifted || action === 'blocked' ? 'error' : 'warning';
    const place =
      source === undefined || source.file === '-' ? [] : [`file=${property(source.file)}`, `line=${source.line}`];
    const properties = [...place, `title=${property(`looms: ${server}`)}`].join(',');
    return `::${level} ${properties}::${value(details)}`;
  });
  const warnings = plan.warnings.map(
    ({ code, server, message }) =>
      `::warning title=${property(`looms: ${code}`)}::${value(server === undefined ? message : `${server}: ${message}`)}`,
  );
  return [...findings, ...warnings, `::notice title=looms::${value(describeCounts(countActions(plan)))}`].join('\n');
}
