import * as Flags from '@oclif/core/flags';
import { writePlanFile } from '../app/plan/plan-file.ts';
import { savedPlanOf } from '../app/plan/saved-plan.ts';
import { BaseCommand, type Look } from '../cli/base-command.ts';
import type { ReportFormat } from '../cli/command-line/output-format.ts';
import { planFlags, planSpecs } from '../cli/command-line/plan-request.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { placeFlags, reportFlags, specFlags } from '../cli/flags.ts';
import { notableDiagnostics, readUsableSpecs } from '../cli/project/specs.ts';
import { renderPlanAs } from '../cli/render/plan/plan-formats.ts';
import { disabledServers } from '../cli/render/plan/plan-text.ts';
import { isRotationOnly } from '../cli/render/plan/reasons.ts';
import { checkoutPaths, diagnosticsIn } from '../cli/run/publish-report.ts';
import { appliedPolicy } from '../cli/run/saved-plan.ts';
import { isInSync, type Plan } from '../model/plan.ts';

export default class Diff extends BaseCommand {
  static override summary = 'Show what apply would do, and what was changed by hand';
  static override description =
    'Compares the specs with what the engine reports, field by field, and shows the plan that apply would carry out. ' +
    'Changes nothing. Exits 0 when the engine agrees and 2 when it does not.';
  static override aliases = ['plan'];
  static override examples = [
    { description: 'What would change?', command: 'looms diff -f mcp.yaml' },
    { description: 'A comment for a pull request', command: 'looms diff -f specs/ -o markdown' },
    { description: 'Annotations on the lines of a pull request', command: 'looms diff -f specs/ -o github' },
    { description: 'In CI, where rotation is not drift', command: 'looms diff --ignore-rotation' },
    { description: 'Look now, carry out exactly this later', command: 'looms diff --out plan.json' },
  ];
  static override flags = {
    ...specFlags,
    ...planFlags,
    ...reportFlags,
    out: Flags.string({ description: 'also save the plan to this file, for `looms apply FILE`', helpValue: 'FILE' }),
    'ignore-rotation': Flags.boolean({
      description: 'exit 0 when rotations that are due are all there is to do; they are shown all the same',
    }),
    ...placeFlags,
  };

  async run(): Promise<Plan> {
    const { flags } = await this.parse(Diff);
    const context = await this.open(flags);
    const { ports } = context;
    const loaded = await readUsableSpecs(flags, context, this.jsonEnabled());
    const prepared = await planSpecs(flags, context, loaded, false);
    const { plan } = prepared;
    if (flags.out !== undefined) {
      const made = {
        by: ports.managedBy,
        in: ports.workingDirectory,
        from: loaded.texts,
        under: appliedPolicy(context),
      };
      await writePlanFile(ports, flags.out, savedPlanOf(prepared, made));
    }

    const called = checkoutPaths(ports);
    const sources = new Map(
      loaded.servers.map(({ spec, source }) => [spec.name, { ...source, file: called(source.file) }] as const),
    );
    const disabled = disabledServers(loaded.servers);
    const diagnostics = diagnosticsIn(notableDiagnostics(loaded.diagnostics), called);
    const render = (as: ReportFormat, { palette, width }: Look): string =>
      as === 'json'
        ? JSON.stringify(plan, null, 2)
        : renderPlanAs(as, plan, { palette, width, verbose: flags.verbose, sources, disabled, diagnostics });
    await this.report(flags, context, render);
    if (flags.out !== undefined) {
      this.notice(`\nSaved as ${flags.out}: \`looms apply ${flags.out}\` does exactly this.`);
    }
    const isIgnored = flags['ignore-rotation'] && !isInSync(plan) && isRotationOnly(plan);
    if (isIgnored) this.notice('Rotations that are due are all there is to do, and no difference: --ignore-rotation.');
    else if (!isInSync(plan)) process.exitCode = exitCode.changes;
    return plan;
  }
}
