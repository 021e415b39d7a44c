import { readPlanFile } from '../app/plan-file.ts';
import type { Prepared } from '../app/plan-project.ts';
import { restorePlan } from '../app/restore-plan.ts';
import { LoomsError } from '../model/errors.ts';
import type { CommandContext } from './context.ts';

/** Flags that say what to plan: a saved plan says that already. */
const planningFlags = [
  'file',
  'strict',
  'server',
  'replace',
  'prune',
  'max-deletes',
  'allow-empty',
  'keep',
  'keep-failed',
] as const;

type PlanningFlags = Readonly<Partial<Record<(typeof planningFlags)[number], unknown>>>;

/**
 * The plan that a file holds, ready to be carried out. Throws `usage` for flags that would make it another plan and for
 * a project that is not the plan's, and what reading and restoring it throw.
 */
export async function openSavedPlan(file: string, flags: PlanningFlags, context: CommandContext): Promise<Prepared> {
  const given = planningFlags.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (given !== undefined) {
    throw new LoomsError('usage', `--${given} does not go with the saved plan ${file}, which is carried out as it is`, {
      hint: `make another plan: \`looms diff --${given} … --out ${file}\``,
    });
  }
  const saved = await readPlanFile(context.ports, file);
  const { project } = context;
  if (project.explicit && project.name !== saved.plan.project) {
    throw new LoomsError('usage', `the plan is for project ${saved.plan.project}, and ${project.name} was named`, {
      hint: 'the project comes from --project, LOOMS_PROJECT or looms.yaml',
    });
  }
  return restorePlan(context.ports, saved, context.policy);
}
