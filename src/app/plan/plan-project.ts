import { defaultKeep } from '../../docker/reconcile/generations/generations.ts';
import { makePlan, type Undesired } from '../../docker/reconcile/plan.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import type { Observed } from '../../model/observed.ts';
import type { Plan, PlanWarning } from '../../model/plan.ts';
import { defaultPolicy, type Policy } from '../../model/policy.ts';
import type { Recipe } from '../../model/recipe.ts';
import { checkPolicy } from '../../spec/check/policy.ts';
import { recordSpec } from '../../spec/record/record.ts';
import type { UntrustedRecord } from '../inspect/describe-record.ts';
import type { Ports } from '../ports.ts';
import { changedSecrets } from './changed-secrets.ts';

/**
 * Image of the relay container: it needs perl, which is part of every Debian and Ubuntu, and `sleep`. `LOOMS_RELAY_IMAGE` overrides it.
 */
const defaultRelayImage = 'debian:bookworm-slim';

/** The image of the relays that a run makes. */
export const relayImageOf = ({ environment }: Ports): string => environment.LOOMS_RELAY_IMAGE || defaultRelayImage;

export type PlanRequest = {
  readonly project: ProjectName;
  readonly servers: readonly DeclaredServer[];
  readonly recipes: ReadonlyMap<string, Recipe>;
  /** What to do with servers on the engine that are not among `servers`. */
  readonly undesired: Undesired;
  /** Only these servers are looked at; absent: all. */
  readonly only?: readonly ServerName[];
  readonly replace?: readonly ServerName[];
  /** Servers to stop because somebody asked for it, drained first; they are declared with `enabled: false`. */
  readonly stop?: readonly ServerName[];
  readonly keepFailed?: boolean;
  /** How many past generations of each server are kept; default 3. */
  readonly keep?: number;
  /** What keeps a prune from taking too much; checked each time a plan is made, also under the lock. */
  readonly prune?: PruneRules;
  /** Rules that what runs is held against too; breaches of servers that are in no file become warnings. */
  readonly policy?: Policy;
};

/** A plan with what is needed to carry it out, or to make it again under the lock. */
export type Prepared = {
  readonly request: PlanRequest;
  readonly plan: Plan;
  readonly observed: Observed;
  /** Records of others that it was made from; their servers get no secrets before somebody accepted them. */
  readonly untrusted?: readonly UntrustedRecord[];
  /** The same plan made anew, for the look under the lock: by what it was made from, not by what that was then. */
  readonly replan: (ports: Ports) => Promise<Prepared>;
};

function requireKnown(names: readonly ServerName[], known: ReadonlySet<string>, flag: string): void {
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw new LoomsError('server-not-found', `${flag} ${unknown}: there is no such server in the files`, {
    hint: known.size === 0 ? 'the files hold no server' : `they hold ${[...known].sort().join(', ')}`,
  });
}

/**
 * Whether the registry shall be asked for a newer image (docs/spec.md: `pull_policy: always`,
 * `rotate_on_image_change`).
 */
const checksRegistry = ({ spec, image }: DeclaredServer): boolean =>
  image.kind === 'pulled' && spec.enabled && (spec.pullPolicy === 'always' || spec.lifecycle.rotateOnImageChange);

/**
 * Observes the project and plans; writes nothing, anywhere. The same function serves `diff`, `apply`, its dry run, and
 * the second look that `apply` takes under the lock.
 * Throws `server-not-found` for a name in `only` or `replace` that is not among the servers, `refused` when a prune
 * would take more than its rules allow, and what the engine throws.
 */
export async function planProject(ports: Ports, request: PlanRequest): Promise<Prepared> {
  const { project, only, replace = [] } = request;
  const names = new Set<string>(request.servers.map((server) => server.spec.name));
  requireKnown(only ?? [], names, '--server');
  requireKnown(replace, names, '--replace');
  const servers =
    only === undefined ? request.servers : request.servers.filter((server) => only.includes(server.spec.name));
  const relayImage = relayImageOf(ports);
  const isHttp = servers.some((server) => server.spec.mcp.transport.kind !== 'stdio');
  const bases = servers.flatMap(({ image }) =>
    image.kind === 'built' && image.base !== undefined ? [image.base] : [],
  );
  const images = [
    ...new Set([...servers.map((server) => server.image.ref), ...bases, ...(isHttp ? [relayImage] : [])]),
  ];

  const engine = await ports.engine();
  const observed = await engine.observe({
    project,
    images,
    checkRegistry: [...new Set(servers.filter(checksRegistry).map((server) => server.image.ref))],
  });
  const ids = observed.containers.map((container) => container.id);
  const countsExecutions = servers.some((server) => server.spec.lifecycle.maxExecutions !== undefined);
  const counted: Counted = countsExecutions ? await executionsOf(ports, ids) : { counts: new Map() };
  const secrets = await changedSecrets(ports, project, servers, observed);
  const plan = makePlan({
    project,
    desired: servers,
    observed,
    undesired: only === undefined ? request.undesired : 'ignore',
    executions: counted.counts,
    changedSecrets: secrets.changed,
    replace: new Set(replace),
    stop: new Set(request.stop ?? []),
    keepFailed: request.keepFailed ?? false,
    keep: request.keep ?? defaultKeep,
    relayImage,
    managedBy: ports.managedBy,
    recordSpec: (server) => recordSpec(server.spec, server.image.ref),
  });
  const warnings = policyWarnings(plan, observed, request.policy ?? defaultPolicy);
  const refusal = request.prune && pruneRefusal(plan, servers.length, request.prune);
  if (refusal !== undefined) throw refusal;
  const uncounted: PlanWarning[] =
    counted.why === undefined
      ? []
      : [
          {
            code: 'executions-unknown',
            message: `max_executions is not looked at, its calls are not counted: ${counted.why}`,
          },
        ];
  return {
    request,
    plan: { ...plan, warnings: [...plan.warnings, ...warnings, ...uncounted, ...secrets.warnings] },
    observed,
    replan: (again) => planProject(again, request),
  };
}

type Counted = { readonly counts: ReadonlyMap<ContainerId, number>; readonly why?: string };

/** A ledger that cannot be read does not keep anyone from seeing drift. */
async function executionsOf(ports: Ports, containers: readonly ContainerId[]): Promise<Counted> {
  try {
    return { counts: await ports.countExecutions(containers) };
  } catch (error) {
    return { counts: new Map(), why: messageOf(error) };
  }
}

/** What runs beside the files is held against the policy too (docs/spec.md, looms.yaml). */
function policyWarnings(plan: Plan, observed: Observed, policy: Policy): PlanWarning[] {
  const planned = new Set<string>(plan.changes.map((change) => change.server));
  const others = observed.containers.flatMap(({ recorded }) =>
    recorded === undefined || planned.has(recorded.spec.name) ? [] : [{ spec: recorded.spec }],
  );
  return checkPolicy(others, policy).map(({ rule, server, message }) => ({ code: `policy-${rule}`, server, message }));
}

export type PruneRules = {
  readonly prune: boolean;
  readonly allowEmpty: boolean;
  readonly maxDeletes?: number;
  /** Whether the project was named by a flag, the environment or looms.yaml, instead of being the implicit default. */
  readonly projectNamed: boolean;
};

/**
 * The rules that keep a prune from taking more than was meant (docs/commands.md, "Flags of diff and apply"): the reason
 * to refuse, or undefined.
 */
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
      {
        hint: 'use --allow-empty when that is what you want',
      },
    );
  }
  if (rules.maxDeletes !== undefined && removed > rules.maxDeletes) {
    return new LoomsError(
      'refused',
      `refusing to remove ${servers} (${names.join(', ')}): --max-deletes is ${rules.maxDeletes}`,
      {
        hint: `use --max-deletes ${removed} when that is what you want`,
      },
    );
  }
  return undefined;
}
