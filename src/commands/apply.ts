import * as Flags from '@oclif/core/flags';
import { acceptDeclared } from '../app/apply/require-trust.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { optionalArg } from '../cli/command-line/args.ts';
import { planFlags, planSpecs } from '../cli/command-line/plan-request.ts';
import { applyFlags, placeFlags, specFlags } from '../cli/flags.ts';
import { readUsableSpecs } from '../cli/project/specs.ts';
import { type PlanOutcome, runPlan } from '../cli/run/run-plan.ts';
import { openSavedPlan } from '../cli/run/saved-plan.ts';

export default class Apply extends BaseCommand {
  static override summary = 'Make the engine agree with the specs';
  static override description =
    'Shows the plan, asks, and carries it out; a plan that `looms diff --out` saved is carried out exactly as it is and ' +
    'without a question, or not at all (exit 7) when the engine or the files changed since. A server that is replaced keeps serving until its successor has answered ' +
    'MCP; one that fails does not stop the others. Exits 0 when all is as declared, 3 when only a part is, 4 when a new ' +
    'generation did not answer and what served before still does, 10 when nothing serves.';
  static override examples = [
    { description: 'Look, agree, apply', command: 'looms apply -f mcp.yaml' },
    {
      description: 'In a pipeline: also remove what is not declared',
      command: 'looms apply -f specs/ --project team-a --prune --max-deletes 2 --yes',
    },
    { description: 'One server anew, though nothing changed', command: 'looms apply --server fs --replace fs' },
    { description: 'Exactly the plan that was looked at before', command: 'looms apply plan.json' },
  ];
  static override args = { plan: optionalArg({ description: 'a plan that `looms diff --out` saved' }) };
  static override flags = {
    ...specFlags,
    ...planFlags,
    ...applyFlags,
    'keep-failed': Flags.boolean({ description: 'keep a new container that did not pass its gate, to look into it' }),
    ...placeFlags,
  };

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(Apply);
    const context = await this.open({ ...flags, plan: args.plan });
    const json = this.jsonEnabled();
    if (context.savedPlan !== undefined && args.plan !== undefined) {
      const prepared = await openSavedPlan(context.savedPlan, { file: args.plan, flags, context });
      return runPlan(prepared, flags, { context, json });
    }
    const loaded = await readUsableSpecs(flags, context, json);
    const prepared = await planSpecs(flags, context, loaded, flags['keep-failed']);
    const { engine, project } = prepared.plan;
    return runPlan(prepared, flags, {
      context,
      json,
      question: `Apply this to project ${project} on ${engine.name}?`,
      onAgreed: () => acceptDeclared(context.ports, prepared),
    });
  }
}
