import type { Source } from '../../model/desired.ts';
import type { Diagnostic } from '../../model/diagnostics.ts';
import { assertNever } from '../../model/errors.ts';
import type { Plan } from '../../model/plan.ts';
import type { ReportFormat } from '../output-format.ts';
import { renderGithub } from './plan-github.ts';
import { renderJunit } from './plan-junit.ts';
import { renderMarkdown } from './plan-markdown.ts';
import { renderSarif } from './plan-sarif.ts';
import { type PlanTextOptions, renderPlan } from './plan-text.ts';

export type PlanFormatOptions = PlanTextOptions & {
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
