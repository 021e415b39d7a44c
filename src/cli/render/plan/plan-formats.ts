import type { Source } from '../../../model/desired.ts';
import type { Diagnostic } from '../../../model/diagnostics.ts';
import { assertNever } from '../../../model/errors.ts';
import type { Plan } from '../../../model/plan.ts';
import type { FilePlace } from '../../../model/source.ts';
import type { ReportFormat } from '../../command-line/output-format.ts';
import { command, diagnosticCommand } from '../diagnostics/github-commands.ts';
import { planFindings } from './plan-findings.ts';
import { renderJunit } from './plan-junit.ts';
import { renderMarkdown } from './plan-markdown.ts';
import { renderSarif } from './plan-sarif.ts';
import { describeEngine, type PlanTextOptions, renderPlan } from './plan-text.ts';
import { describeTotals } from './reasons.ts';

type PlanFormatOptions = PlanTextOptions & {
  /** Where each server is declared, for annotations. */
  readonly sources: ReadonlyMap<string, Source>;
  /** What was found about the specs; none of it is an error. */
  readonly diagnostics: readonly Diagnostic[];
};

/** A plan in one of the forms that are text; JSON is the plan itself. */
export function renderPlanAs(format: Exclude<ReportFormat, 'json'>, plan: Plan, options: PlanFormatOptions): string {
  switch (format) {
    case 'text':
      return renderPlan(plan, options);
    case 'markdown':
      return renderMarkdown(plan, options.disabled);
    case 'junit':
      return renderJunit(plan, options.sources);
    case 'sarif':
      return renderSarif(plan, options.sources);
    case 'github':
      return renderGithub(plan, options);
    default:
      return assertNever(format);
  }
}

const placeOf = (at: FilePlace | undefined): { readonly file?: string; readonly line?: string } =>
  at === undefined || at.file === '-' ? {} : { file: at.file, line: String(at.line) };

/** A plan as GitHub workflow commands: annotations at warnings and servers' documents, the counts as a notice. */
export function renderGithub(
  plan: Plan,
  {
    sources,
    diagnostics,
  }: { readonly sources: ReadonlyMap<string, Source>; readonly diagnostics: readonly Diagnostic[] },
): string {
  const findings = planFindings(plan, sources).map(({ server, action, drifted, details, source }) => {
    const level = drifted || action === 'blocked' ? 'error' : 'warning';
    return command(level, { ...placeOf(source), title: `looms: ${server}` }, details);
  });
  const warnings = plan.warnings.map(({ code, server, message, at }) =>
    command(
      'warning',
      { ...placeOf(at), title: `looms: ${code}` },
      server === undefined ? message : `${server}: ${message}`,
    ),
  );
  const counts = command(
    'notice',
    { title: 'looms' },
    `project ${plan.project} on ${describeEngine(plan)}: ${describeTotals(plan)}`,
  );
  return [...diagnostics.map(diagnosticCommand), ...findings, ...warnings, counts].join('\n');
}
