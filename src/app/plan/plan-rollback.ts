import { defaultKeep, revisionOf } from '../../docker/reconcile/generations/generations.ts';
import { makePlan } from '../../docker/reconcile/plan.ts';
import type { ForeignRecord } from '../../model/claims.ts';
import type { DeclaredServer, RecordedSpec } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ContainerId, ImageId, ProjectName, ServerName } from '../../model/ids.ts';
import { containerName } from '../../model/labels.ts';
import type { GenerationOutcome, Observed, ObservedContainer } from '../../model/observed.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { defaultPolicy, type Policy } from '../../model/policy.ts';
import { slotsOf } from '../../model/slots.ts';
import { parseSource } from '../../model/source.ts';
import { checkPolicy } from '../../spec/check/policy.ts';
import { specHash } from '../../spec/record/hash.ts';
import { recordSpec } from '../../spec/record/record.ts';
import { untrustedRecord } from '../apply/require-trust.ts';
import { serverNotFound } from '../inspect/server-not-found.ts';
import type { Ports } from '../ports.ts';
import { type Prepared, relayImageOf } from './plan-project.ts';
import { serversOf } from './recorded-servers.ts';
import { requireRules } from './require-rules.ts';

export type RollbackRequest = {
  readonly project: ProjectName;
  readonly name: ServerName;
  /** Absent: the newest revision that served before this one, and that nobody has rolled back. */
  readonly to?: number;
  readonly keep?: number;
  readonly keepFailed?: boolean;
  readonly policy?: Policy;
  /** The container that the plan was made to leave: that another one serves by now makes it stale. */
  readonly leaving?: ContainerId;
};

/** A plan, and the generation that it goes back to. */
export type PreparedRollback = Prepared & { readonly to: number };

/** A generation that there is or was, as far as going back to it needs. */
type Candidate = {
  readonly generation: number;
  readonly specHash: string;
  readonly imageId: ImageId;
  readonly recorded?: RecordedSpec;
  readonly foreignRecord?: ForeignRecord;
  readonly source?: string;
  /** Absent: its container is there. */
  readonly outcome?: GenerationOutcome;
};

const candidateOf = (container: ObservedContainer): Candidate => ({ ...container, imageId: container.shape.imageId });

const isGood = ({ outcome }: Candidate): boolean =>
  outcome !== undefined && outcome !== 'rolled-back' && outcome !== 'gate-failed';

/**
 * What a run that was cut off did not come to record: generations below the settled one. They are taken for ones that
 * served; one that never passed its gate has to pass it now.
 */
const unrecorded = (
  containers: readonly ObservedContainer[],
  settled: ObservedContainer | undefined,
  records: readonly Candidate[],
): Candidate[] =>
  containers
    .filter(({ generation, state }) => generation < (settled?.generation ?? 0) && state.status !== 'created')
    .filter((one) => one.recorded !== undefined && !records.some(({ generation }) => generation === one.generation))
    .map((one) => ({ ...candidateOf(one), outcome: 'replaced' }));

const notFound = (message: string, hint: string): LoomsError =>
  new LoomsError('generation-not-found', message, { hint });

const settledOf = (observed: Observed, project: ProjectName, name: ServerName): ObservedContainer | undefined => {
  const containers = slotsOf(observed.containers).get(name) ?? [];
  return containers.find((one) => one.name === containerName(project, name)) ?? containers.at(-1);
};

/** Someone else's apply may have come between the plan and the lock: what it brought is not what was to be undone. */
function refuseIfLeft({ name, leaving }: RollbackRequest, now: ObservedContainer | undefined, to: number): void {
  if (leaving === undefined || now === undefined || now.id === leaving || now.generation === to) return;
  throw new LoomsError('plan-stale', `server ${name} runs generation ${now.generation} by now, from another run`, {
    hint: `\`looms history ${name}\` shows what there is; roll back again if that is still what you want`,
  });
}

/** The generation to go back to. Throws `server-not-found`, `generation-not-found`. */
function chooseTarget(observed: Observed, { project, name, to }: RollbackRequest): Candidate {
  const containers = slotsOf(observed.containers).get(name) ?? [];
  const records: Candidate[] = observed.history.filter((record) => record.server === name);
  if (containers.length + records.length === 0) throw serverNotFound(project, name, serversOf(observed));
  if (to !== undefined) {
    const found = [...containers.map(candidateOf), ...records].find(({ generation }) => generation === to);
    if (found !== undefined) return found;
    const known = records.map(({ generation }) => generation).join(', ');
    throw notFound(
      `server ${name} has no record of a generation ${to}`,
      known === '' ? 'none of its past is recorded' : `\`looms history ${name}\` shows what there is: ${known}`,
    );
  }
  const settled = settledOf(observed, project, name);
  const now = settled && revisionOf(settled.specHash, settled.shape.imageId);
  const past = [...records, ...unrecorded(containers, settled, records)].sort((a, b) => a.generation - b.generation);
  const target = past.findLast((one) => isGood(one) && revisionOf(one.specHash, one.imageId) !== now);
  if (target !== undefined) return target;
  throw notFound(
    `server ${name} has no earlier generation to go back to`,
    records.length === 0
      ? 'a generation is recorded when another one takes its place'
      : `\`looms history ${name}\` shows what there is; --to names one of them`,
  );
}

/** The recorded spec as a server to be run; what was rolled back to shall run, whatever is disabled now. */
function declared(name: ServerName, { generation, recorded, source }: Candidate): DeclaredServer {
  if (recorded === undefined) {
    throw new LoomsError('refused', `the record of generation ${generation} of ${name} cannot be read`, {
      hint: 'another version of looms may have written it: choose another generation with --to',
    });
  }
  const spec = { ...recorded.spec, name, enabled: true };
  return {
    spec,
    image: { kind: 'pulled', ref: recorded.image },
    hash: specHash(spec, recorded.image),
    source: parseSource(source ?? 'unknown', ''),
  };
}

/** Rules hold for what comes back too: what a policy forbids by now is refused. Returns what it only warns of. */
function policyWarnings({ spec }: DeclaredServer, generation: number, policy: Policy): PlanWarning[] {
  const breaches = checkPolicy([{ spec }], policy);
  const errors = breaches.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    throw new LoomsError('refused', `generation ${generation} of ${spec.name} breaks the policy of looms.yaml`, {
      detail: errors.map(({ rule, message }) => `${rule}: ${message}`),
      hint: 'choose another generation with --to, or change the policy',
    });
  }
  return breaches.map(({ rule, server, message }) => ({ code: `policy-${rule}`, server, message }));
}

/** The project with the image's reference meaning the image of then, as its tag may have moved on since. */
async function observeWithImage(ports: Ports, project: ProjectName, target: Candidate, ref: string): Promise<Observed> {
  const engine = await ports.engine();
  const relay = relayImageOf(ports);
  const observed = await engine.observe({ project, images: [target.imageId, relay], checkRegistry: [] });
  const facts = observed.images[target.imageId];
  if (!facts) {
    throw new LoomsError('image-not-found', `the image of generation ${target.generation} is not on the engine`, {
      hint: 'somebody removed it by force: choose another generation with --to, or apply a spec',
    });
  }
  // Containers of looms say whether their image has a shell; one that says nothing is taken to have one.
  const then = { ...facts, ref, hasShell: facts.hasShell ?? true };
  return { ...observed, images: { [relay]: observed.images[relay] ?? null, [ref]: then } };
}

/**
 * Plans to take a server back to an earlier generation: its spec and its image as they were then, through the same
 * replacement and the same gate as any change. Secrets are references in a record, so today's values are used.
 * Throws `server-not-found`, `generation-not-found`, `image-not-found`, `plan-stale` when another generation than
 * `leaving` serves by now, and `refused` when a policy forbids it by now.
 */
export async function planRollback(ports: Ports, request: RollbackRequest): Promise<PreparedRollback> {
  const { project, name, keep = defaultKeep, keepFailed = false, policy = defaultPolicy } = request;
  const engine = await ports.engine();
  const target = chooseTarget(await engine.observe({ project, images: [], checkRegistry: [] }), request);
  const server = declared(name, target);
  await requireRules(ports, [server.spec], {
    code: 'spec-invalid',
    what: `the record of generation ${target.generation} of ${name} breaks a rule of a spec file, as it is read today and here`,
    hint: 'choose another generation with --to, or apply a spec file',
  });
  const warnings = policyWarnings(server, target.generation, policy);
  const observed = await observeWithImage(ports, project, target, server.image.ref);
  const leaving = settledOf(observed, project, name);
  refuseIfLeft(request, leaving, target.generation);
  const plan = makePlan({
    project,
    desired: [server],
    observed,
    undesired: 'ignore',
    executions: new Map(),
    replace: new Set(),
    keepFailed,
    keep,
    rollbackTo: target.generation,
    relayImage: relayImageOf(ports),
    managedBy: ports.managedBy,
    recordSpec: (one) => recordSpec(one.spec, one.image.ref),
  });
  return {
    request: {
      project,
      servers: [server],
      recipes: new Map(),
      undesired: 'ignore',
    },
    plan: { ...plan, warnings: [...plan.warnings, ...warnings] },
    observed,
    untrusted: [untrustedRecord(`generation ${target.generation} of ${name}`, target) ?? []].flat(),
    to: target.generation,
    // It must not choose again.
    replan: (again) =>
      planRollback(again, {
        ...request,
        to: target.generation,
        ...(leaving === undefined ? {} : { leaving: leaving.id }),
      }),
  };
}
