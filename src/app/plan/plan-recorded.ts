import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Plan } from '../../model/plan.ts';
import type { Policy } from '../../model/policy.ts';
import { slotsOf } from '../../model/slots.ts';
import { sourceText } from '../../model/source.ts';
import { checkPolicy } from '../../spec/check/policy.ts';
import { untrustedRecord } from '../apply/require-trust.ts';
import type { Ports } from '../ports.ts';
import { type Prepared, planProject } from './plan-project.ts';
import { recordedServer, representative } from './recorded-servers.ts';
import { requireRules } from './require-rules.ts';

/** What shall become of servers that are there. */
export type Wish =
  /** To run as they are recorded. */
  | { readonly kind: 'start' }
  /** To run in new containers; the old ones serve until these have answered. */
  | { readonly kind: 'restart' }
  /** To be stopped and kept; `drainSeconds` instead of what their specs say. */
  | { readonly kind: 'stop'; readonly drainSeconds?: number };

export type RecordedRequest = {
  readonly project: ProjectName;
  readonly servers: readonly ServerName[];
  readonly wish: Wish;
  readonly policy: Policy;
  /** How many past generations of each server are kept. */
  readonly keep?: number;
};

const withDrain = (server: DeclaredServer, drainSeconds: number | undefined): DeclaredServer =>
  drainSeconds === undefined
    ? server
    : { ...server, spec: { ...server.spec, lifecycle: { ...server.spec.lifecycle, drainSeconds } } };

/** What a policy forbids is not started either, whoever made it; stopping it is always allowed. */
function requirePolicy(servers: readonly DeclaredServer[], policy: Policy): void {
  const breach = checkPolicy(servers, policy).find(({ severity }) => severity === 'error');
  if (breach === undefined) return;
  const hint = breach.hint ?? 'change its spec and apply that, or change the policy in looms.yaml';
  throw new LoomsError('refused', `server ${breach.server}: ${breach.message}`, { hint });
}

/** A container can be started without the recipe of its image, but an image that is gone cannot be built without it. */
function requireImages(plan: Plan, servers: readonly DeclaredServer[]): void {
  const build = plan.steps.find((step) => step.op === 'build-image');
  const server = servers.find(({ image }) => build?.op === 'build-image' && image.ref === build.ref);
  if (server === undefined) return;
  const { spec, image, source } = server;
  throw new LoomsError('image-not-found', `image ${image.ref} of server ${spec.name} is not on this engine any more`, {
    hint: `its spec (${sourceText(source)}) says how it is built: looms mcp start ${spec.name} --config FILE`,
  });
}

/**
 * Plans for servers that are on the engine, from what is recorded on their containers: no file is read. It is the same
 * planner as for files, so a server that somebody changed by hand is replaced by one as recorded.
 * Throws `server-not-found`, `spec-invalid` for a record that cannot be read, `refused` by policy, `image-not-found` for
 * one that would have to be built, and what the engine throws.
 */
export async function planRecorded(ports: Ports, request: RecordedRequest): Promise<Prepared> {
  const { project, servers: names, wish, policy } = request;
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const enabled = wish.kind !== 'stop';
  const recorded = names.map((name) => recordedServer(observed, name, { enabled, directory: ports.workingDirectory }));
  if (enabled) {
    requirePolicy(recorded, policy);
    await requireRules(
      ports,
      recorded.map(({ spec }) => spec),
      {
        code: 'spec-invalid',
        what: 'the record on a container breaks a rule of a spec file, as it is read today and here',
        hint: 'an earlier looms may have written it, or somebody else; `looms apply` with the spec file replaces the server',
      },
    );
  }
  const slots = slotsOf(observed.containers);
  const untrusted = names.flatMap((name) => {
    const container = representative(slots.get(name) ?? [], project);
    return (container && untrustedRecord(`container ${container.name}`, container)) ?? [];
  });
  const servers = recorded.map((one) => withDrain(one, wish.kind === 'stop' ? wish.drainSeconds : undefined));
  const prepared = await planProject(ports, {
    project,
    servers,
    recipes: new Map(),
    undesired: 'ignore',
    only: names,
    policy,
    ...(request.keep === undefined ? {} : { keep: request.keep }),
    ...(wish.kind === 'restart' ? { replace: names } : {}),
    ...(wish.kind === 'stop' ? { stop: names } : {}),
  });
  requireImages(prepared.plan, servers);
  return { ...prepared, untrusted, replan: (again) => planRecorded(again, request) };
}
