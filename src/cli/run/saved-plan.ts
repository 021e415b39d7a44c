import type { Work } from '../../app/plan/plan-work.ts';
import { restorePlan } from '../../app/plan/restore-plan.ts';
import type { AppliedPolicy, SavedPlan } from '../../app/plan/saved-plan.ts';
import { LoomsError } from '../../model/errors.ts';
import type { CommandContext } from '../context.ts';

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

/** A saved plan to be carried out. Throws `usage` for flags or a project that differ, and what restoring throws. */
export async function openSavedPlan(
  saved: SavedPlan,
  { file, flags, context }: { readonly file: string; readonly flags: PlanningFlags; readonly context: CommandContext },
): Promise<Work> {
  const given = planningFlags.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (given !== undefined) {
    throw new LoomsError('usage', `--${given} does not go with the saved plan ${file}, which is carried out as it is`, {
      hint: `make another plan: \`looms diff --${given} … --out ${file}\``,
    });
  }
  const { project } = context;
  if (project.explicit && project.name !== saved.plan.project) {
    throw new LoomsError('usage', `the plan is for project ${saved.plan.project}, and ${project.name} was named`, {
      hint: 'the project comes from --project, LOOMS_PROJECT or looms.yaml',
    });
  }
  return restorePlan(context.ports, saved, appliedPolicy(context));
}

/** The policies of a command, with that of its project file. */
export const appliedPolicy = ({ policies, projectFile }: CommandContext): AppliedPolicy => ({
  policies,
  ...(projectFile === undefined
    ? {}
    : { ofProject: { rules: projectFile.file.policy.rules, folder: projectFile.folder } }),
});
