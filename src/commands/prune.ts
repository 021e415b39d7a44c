import * as Flags from '@oclif/core/flags';
import { planWork } from '../app/plan/plan-work.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { applyFlags, placeFlags } from '../cli/flags.ts';
import { type PlanOutcome, runPlan } from '../cli/run/run-plan.ts';
import { LoomsError } from '../model/errors.ts';

export default class Prune extends BaseCommand {
  static override summary = 'Remove what nothing uses any more';
  static override description =
    'Removes images that looms built and that no container and no record of a past generation on the engine is made of. ' +
    'Volumes that no server of the project has, and the past of servers that were deleted, go only when they are asked ' +
    'for: what is in them is gone for good. Shows the plan and asks first.';
  static override examples = [
    { description: 'What would go?', command: 'looms prune --dry-run' },
    {
      description: 'All that servers left which were deleted, their data included',
      command: 'looms prune --volumes --history --project team-a',
    },
  ];
  static override flags = {
    volumes: Flags.boolean({ description: 'also volumes of the project that no server has, with their data' }),
    history: Flags.boolean({ description: 'also records of servers of the project that were deleted' }),
    ...applyFlags,
    ...placeFlags,
  };

  async run(): Promise<PlanOutcome> {
    const { flags } = await this.parse(Prune);
    const context = await this.open(flags);
    const { project, policies, ports } = context;
    const { volumes, history } = flags;
    if ((volumes || history) && !project.explicit) {
      throw new LoomsError('refused', 'refusing to prune the implicit project "default"', {
        hint: 'name the project with --project, LOOMS_PROJECT or looms.yaml',
      });
    }
    const prepared = await planWork(ports, { kind: 'prune', project: project.name, volumes, history }, { policies });
    return runPlan(prepared, flags, {
      context,
      json: this.jsonEnabled(),
      question: `Remove this from ${prepared.plan.engine.name}?`,
      nothingToDo: 'Nothing to prune.',
    });
  }
}
