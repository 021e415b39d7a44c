import type { DesiredServer } from '../../model/desired.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import type { Plan, PlanWarning } from '../../model/plan.ts';
import type { Policy, PolicyBreach } from '../../model/policy.ts';
import type { Intent, Prepared } from '../../orchestrator/port.ts';
import { checkPolicy } from '../../spec/check/policy.ts';
import type { Ports } from '../ports.ts';

/** A plan, and what it must hold to whenever it is made. */
export type Work = Prepared & {
  readonly rules: PlanRules;
  /** Holds the plan made anew against the same rules; throws when it breaks one, returns what they warn of. */
  readonly hold: (again: Prepared) => readonly PlanWarning[];
};

/** What keeps a prune from taking too much. */
export type PruneRules = {
  readonly prune: boolean;
  readonly allowEmpty: boolean;
  readonly maxDeletes?: number;
  /** Whether the project was named by a flag, the environment or looms.yaml, instead of being the implicit default. */
  readonly projectNamed: boolean;
};

/** Why a prune would take more than was meant, or undefined (docs/commands.md, "Flags of diff and apply"). */
function pruneRefusal(plan: Plan, declared: number, rules: PruneRules): LoomsError | undefined {
  if (!rules.prune) return undefined;
  if (!rules.projectNamed) {
    return new LoomsError('refused', 'refusing to prune the implicit project "default"', {
      hint: 'name the project with --project, LOOMS_PROJECT or looms.yaml',
    });
  }
  const names = plan.changes.filter(({ action }) => action === 'remove').map(({ server }) => server);
  const removed = names.length;
  const servers = `${removed} server${removed === 1 ? '' : 's'}`;
  if (declared === 0 && removed > 0 && !rules.allowEmpty) {
    return new LoomsError(
      'refused',
      `refusing to remove all of project ${plan.project} (${servers}: ${names.join(', ')}): the files hold none`,
      { hint: 'use --allow-empty when that is what you want' },
    );
  }
  if (rules.maxDeletes !== undefined && removed > rules.maxDeletes) {
    return new LoomsError(
      'refused',
      `refusing to remove ${servers} (${names.join(', ')}): --max-deletes is ${rules.maxDeletes}`,
      { hint: `use --max-deletes ${removed} when that is what you want` },
    );
  }
  return undefined;
}

/** Rules that a plan is held against. */
type PlanRules = { readonly policy: Policy; readonly prune?: PruneRules | undefined };

const warningsOf = (breaches: readonly PolicyBreach[]): PlanWarning[] =>
  breaches.map(({ rule, server, message }) => ({ code: `policy-${rule}`, server, message }));

/** What runs beside the files is held against the policy too (docs/spec.md, looms.yaml). */
function besideTheFiles({ plan, records }: Prepared, policy: Policy): PlanWarning[] {
  const planned = new Set<string>(plan.changes.map((change) => change.server));
  const others = records.flatMap(({ recorded }) =>
    recorded === undefined || planned.has(recorded.spec.name) ? [] : [{ spec: recorded.spec }],
  );
  return warningsOf(checkPolicy(others, policy));
}

/** Throws `refused` with `message` for what a policy forbids, whoever wrote it; returns what it only warns of. */
export function requirePolicy(
  specs: readonly DesiredServer[],
  policy: Policy,
  refusal: { readonly message: string; readonly hint: string },
): PlanWarning[] {
  const breaches = checkPolicy(
    specs.map((spec) => ({ spec })),
    policy,
  );
  const errors = breaches.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return warningsOf(breaches);
  throw new LoomsError('refused', refusal.message, {
    detail: errors.map(({ server, rule, message }) => `${server}: ${rule}: ${message}`),
    hint: refusal.hint,
  });
}

/** Holds a plan against the rules; throws when it breaks one, returns what they warn of. */
function hold(prepared: Prepared, { policy, prune }: PlanRules): PlanWarning[] {
  const { intent, plan, servers } = prepared;
  const specs = servers.map(({ spec }) => spec);
  switch (intent.kind) {
    case 'files': {
      const refusal = prune && pruneRefusal(plan, intent.servers.length, prune);
      if (refusal !== undefined) throw refusal;
      return besideTheFiles(prepared, policy);
    }
    case 'recorded':
      // Stopping what a policy forbids is always allowed.
      if (intent.wish.kind !== 'stop') {
        requirePolicy(specs, policy, {
          message: `what is recorded of ${intent.servers.join(', ')} breaks the policy of looms.yaml`,
          hint: 'change the spec and apply that, or change the policy in looms.yaml',
        });
      }
      return besideTheFiles(prepared, policy);
    case 'rollback':
      return requirePolicy(specs, policy, {
        message: `generation ${intent.to} of ${intent.server} breaks the policy of looms.yaml`,
        hint: 'choose another generation with --to, or change the policy',
      });
    case 'removal':
    case 'prune':
      return [];
    default:
      return assertNever(intent);
  }
}

/** Plans what is asked for; writes nothing. Throws as `Orchestrator.plan`, `spec-invalid`, `refused` by the rules. */
export async function planWork(ports: Ports, intent: Intent, rules: PlanRules): Promise<Work> {
  const prepared = await (await ports.orchestrator()).plan(intent);
  const warnings = hold(prepared, rules);
  return {
    ...prepared,
    rules,
    plan: { ...prepared.plan, warnings: [...prepared.plan.warnings, ...warnings] },
    hold: (again) => hold(again, rules),
  };
}
