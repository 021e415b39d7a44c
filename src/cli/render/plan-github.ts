import type { Source } from '../../model/desired.ts';
import type { Diagnostic } from '../../model/diagnostics.ts';
import type { Plan } from '../../model/plan.ts';
import { command, diagnosticCommand } from './github-commands.ts';
import { planFindings } from './plan-findings.ts';
import { describeEngine } from './plan-text.ts';
import { describeTotals } from './reasons.ts';

/**
 * A plan as GitHub Actions workflow commands: annotations at what the specs were warned about and at each server's
 * document, and the counts as a notice.
 */
export function renderGithub(
  plan: Plan,
  {
    sources,
    diagnostics,
  }: { readonly sources: ReadonlyMap<string, Source>; readonly diagnostics: readonly Diagnostic[] },
): string {
  const findings = planFindings(plan, sources).map(({ server, action, drifted, details, source }) => {
    const level = drifted || action === 'blocked' ? 'error' : 'warning';
    const place = source === undefined || source.file === '-' ? {} : { file: source.file, line: String(source.line) };
    return command(level, { ...place, title: `looms: ${server}` }, details);
  });
  const warnings = plan.warnings.map(({ code, server, message }) =>
    command('warning', { title: `looms: ${code}` }, server === undefined ? message : `${server}: ${message}`),
  );
  const counts = command(
    'notice',
    { title: 'looms' },
    `project ${plan.project} on ${describeEngine(plan)}: ${describeTotals(plan)}`,
  );
  return [...diagnostics.map(diagnosticCommand), ...findings, ...warnings, counts].join('\n');
}
