import type { DesiredServer } from '../../model/desired.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import { withWarnings } from '../../model/plan/plan-basis.ts';
import type { Plan, PlanWarning } from '../../model/plan.ts';
import type { Policies, PolicyBreach } from '../../model/policy.ts';
import { plural } from '../../model/values/words.ts';
import type { Intent, Prepared } from '../../orchestrator/port.ts';
import { checkPolicy, type PolicyCase, sourceOf } from '../../spec/check/policy.ts';
import { overQuota, type ProjectUse, quotaOf, sayQuota, useOf } from '../../spec/check/quotas.ts';
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
  const servers = plural(removed, 'server');
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
type PlanRules = { readonly policies: Policies; readonly prune?: PruneRules | undefined };

const warningsOf = (breaches: readonly PolicyBreach[]): PlanWarning[] =>
  breaches
    .filter(({ severity }) => severity !== 'note')
    .map((breach) => ({ code: `policy-${breach.rule}`, server: breach.server, message: sayBreach(breach) }));

/** What is broken, and whose rule. */
function sayBreach(breach: PolicyBreach): string {
  const source = sourceOf(breach);
  const reason = breach.from?.reason === undefined ? '' : `: ${breach.from.reason}`;
  return source === undefined ? breach.message : `${breach.message} (${source}${reason})`;
}

/** What runs beside the files is held against the policy too (docs/policy.md). */
function besideTheFiles({ plan, records }: Prepared, policies: Policies, at: PolicyCase): PlanWarning[] {
  const planned = new Set<string>(plan.changes.map((change) => change.server));
  const others = records.flatMap(({ recorded }) =>
    recorded === undefined || planned.has(recorded.spec.name) ? [] : [{ spec: recorded.spec }],
  );
  return warningsOf(checkPolicy(others, policies, at));
}

/** Throws `refused` with `message` for what a policy forbids, whoever wrote it; returns what it only warns of. */
export function requirePolicy(
  specs: readonly DesiredServer[],
  policies: Policies,
  at: PolicyCase,
  refusal: { readonly message: string; readonly hint: string },
): PlanWarning[] {
  const breaches = checkPolicy(
    specs.map((spec) => ({ spec })),
    policies,
    at,
  );
  const errors = breaches.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return warningsOf(breaches);
  throw new LoomsError('refused', refusal.message, {
    detail: errors.map((breach) => `${breach.server}: ${breach.rule}: ${sayBreach(breach)}`),
    hint: refusal.hint,
  });
}

/**
 * What the servers of a project take, as it is and as it will be once a plan is carried out. What is there takes something
 * of the machine while it runs, whatever is declared of it: a server that was stopped takes it again when it is started.
 */
function beforeAndAfter({ plan, records, servers }: Prepared): Readonly<Record<'before' | 'after', ProjectUse>> {
  const run = new Set(records.flatMap(({ recorded, runs }) => (runs && recorded ? [recorded.spec.name] : [])));
  const before = new Map(
    records.flatMap(({ recorded }) =>
      recorded === undefined
        ? []
        : [[recorded.spec.name, { ...recorded.spec, enabled: run.has(recorded.spec.name) }] as const],
    ),
  );
  // What may run on an engine that does not answer takes of the quota, too: nobody can say that it does not.
  if (plan.engine.kind === 'several') {
    for (const { server, action } of plan.changes) {
      const spec = servers.find((one) => one.spec.name === server)?.spec;
      if (action === 'blocked' && spec !== undefined && !before.has(server)) before.set(server, spec);
    }
  }
  const after = new Map(before);
  for (const { server, action } of plan.changes) {
    const spec = servers.find((one) => one.spec.name === server)?.spec;
    if (action === 'remove') after.delete(server);
    else if (action !== 'blocked' && action !== 'unchanged' && spec !== undefined) {
      after.set(server, action === 'stop' ? { ...spec, enabled: false } : spec);
    }
  }
  return { before: useOf([...before.values()]), after: useOf([...after.values()]) };
}

/**
 * A project gets no more than its quota, and one that has more already may have less. Returns what it has too much of
 * and does not get more of, or what is only warned of; throws `refused`.
 */
function holdQuota(prepared: Prepared, policies: Policies, at: PolicyCase): PlanWarning[] {
  const { project } = at;
  const { before, after } = beforeAndAfter(prepared);
  const over = overQuota(project, quotaOf(policies, at), after, before);
  const grown = over.filter(({ grows, severity }) => grows && severity === 'error');
  if (grown.length > 0) {
    throw new LoomsError('refused', `the quota of project ${project} is not enough for this`, {
      detail: grown.map((one) => `${one.rule}: ${one.message} (${sayQuota(one)})`),
      hint: 'remove or disable servers, lower their limits, or have the quota raised; `looms get --all-projects` shows what is used',
    });
  }
  return over.map((one) => ({ code: `policy-${one.rule}`, message: `${one.message} (${sayQuota(one)})` }));
}

/** Holds a plan against the rules; throws when it breaks one, returns what they warn of. */
function hold(prepared: Prepared, { policies, prune }: PlanRules, now: number): PlanWarning[] {
  const { intent, plan, servers } = prepared;
  const specs = servers.map(({ spec }) => spec);
  const at = { project: intent.project, now };
  switch (intent.kind) {
    case 'files': {
      const refusal = prune && pruneRefusal(plan, intent.servers.length, prune);
      if (refusal !== undefined) throw refusal;
      return [...besideTheFiles(prepared, policies, at), ...holdQuota(prepared, policies, at)];
    }
    case 'recorded':
      // Stopping what a policy forbids is always allowed.
      if (intent.wish.kind !== 'stop') {
        requirePolicy(specs, policies, at, {
          message: `what is recorded of ${intent.servers.join(', ')} breaks the policy`,
          hint: 'change the spec and apply that, or have the policy changed',
        });
      }
      return [...besideTheFiles(prepared, policies, at), ...holdQuota(prepared, policies, at)];
    case 'rollback': {
      const warnings = requirePolicy(specs, policies, at, {
        message: `generation ${intent.to} of ${intent.server} breaks the policy`,
        hint: 'choose another generation with --to, or have the policy changed',
      });
      return [...warnings, ...holdQuota(prepared, policies, at)];
    }
    case 'removal':
    case 'prune':
      return [];
    default:
      return assertNever(intent);
  }
}

const workOf = (ports: Ports, prepared: Prepared, rules: PlanRules): Work => ({
  ...prepared,
  rules,
  hold: (again) => hold(again, rules, ports.now()),
});

/** A place that nothing is chosen by is told: a file may be meant for a project that has several engines. */
function unusedPlaces({ intent, plan }: Prepared): readonly PlanWarning[] {
  if (intent.kind !== 'files' || plan.engine.kind === 'several') return [];
  return intent.servers.flatMap(({ spec, place }) =>
    place === undefined
      ? []
      : [
          {
            code: 'place-unused' as const,
            server: spec.name,
            message: 'its place is not looked at: there is one engine, and `engines` of looms.yaml names several',
          },
        ],
  );
}

/** Plans what is asked for, to be looked at: what breaks a rule is refused once it is to be carried out. Throws as `Orchestrator.plan`. */
export async function planAnyway(ports: Ports, intent: Intent, rules: PlanRules): Promise<Work> {
  const prepared = await (await ports.orchestrator()).plan(intent);
  const { plan } = prepared;
  const unused = unusedPlaces(prepared);
  const told = unused.length === 0 ? plan : withWarnings(plan, [...plan.warnings, ...unused]);
  return workOf(ports, { ...prepared, plan: told }, rules);
}

/** Plans what is asked for; writes nothing. Throws as `Orchestrator.plan`, `spec-invalid`, `refused` by the rules. */
export async function planWork(ports: Ports, intent: Intent, rules: PlanRules): Promise<Work> {
  const work = await planAnyway(ports, intent, rules);
  const warnings = work.hold(work);
  return { ...work, plan: { ...work.plan, warnings: [...work.plan.warnings, ...warnings] } };
}
