import type { Source } from '../../model/desired.ts';
import type { Plan } from '../../model/plan.ts';
import { planFindings } from './plan-findings.ts';
import { countActions, describeCounts } from './reasons.ts';

/** GitHub reads commands line by line; these would end one or a property of it. */
const value = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string): string => value(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** One workflow command (`::error file=…,line=…::message`). */
export const command = (
  level: 'error' | 'warning' | 'notice',
  properties: Readonly<Record<string, string>>,
  message: string,
): string => {
  const list = Object.entries(properties).map(([name, text]) => `${name}=${property(text)}`);
  return `::${level} ${list.join(',')}::${value(message)}`;
};

/** A plan as GitHub Actions workflow commands: an annotation at each server's document, and the counts as a notice. */
export function renderGithub(plan: Plan, sources: ReadonlyMap<string, Source>): string {
  const findings = planFindings(plan, sources).map(({ server, action, drifted, details, source }) => {
    const level = drifted || action === 'blocked' ? 'error' : 'warning';
    const place = source === undefined || source.file === '-' ? {} : { file: source.file, line: String(source.line) };
    return command(level, { ...place, title: `looms: ${server}` }, details);
  });
  const warnings = plan.warnings.map(({ code, server, message }) =>
    command('warning', { title: `looms: ${code}` }, server === undefined ? message : `${server}: ${message}`),
  );
  const counts = command('notice', { title: 'looms' }, describeCounts(countActions(plan)));
  return [...findings, ...warnings, counts].join('\n');
}
