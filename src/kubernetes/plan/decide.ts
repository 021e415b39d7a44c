import type { DeclaredServer } from '../../model/desired.ts';
import type { StepId } from '../../model/ids.ts';
import { basisOf } from '../../model/plan/plan-basis.ts';
import { nextRotation } from '../../model/plan/rotation.ts';
import { type Change, isNonEmpty, type NextRotation, type PlanWarning, type Reason } from '../../model/plan.ts';
import { fieldPlace } from '../../model/source.ts';
import { defined } from '../../model/values/defined.ts';
import { meantOf } from '../model/observed.ts';
import { strayNotices } from '../model/strays.ts';
import { isByDefault, unlikeOnKubernetes } from '../objects/unlike.ts';
import { onCluster } from '../objects/where.ts';
import { agedOf, callsOf } from './assess.ts';
import { decideServer } from './decide-server.ts';
import type { Decided, DecideInput } from './decision.ts';
import { planImages } from './images.ts';
import { leftWarning, removalOf, undesiredOf } from './removal.ts';
import { type KubePlan, stepText } from './steps.ts';
import { leftovers, namespaceLabels, supportBefore } from './support.ts';

export type { DecideInput } from './decision.ts';

/** A plan from one look at the cluster. Pure; the same input gives the same plan. */
export function decide(input: DecideInput): KubePlan {
  const { observed, desired } = input;
  const support = supportBefore(input);
  const loosened = namespaceLabels(input, []);
  const before = [...(loosened.first ? loosened.steps : []), ...support.steps];
  const servers = desired
    .toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1))
    .map((server) => decideServer(server, input, before));
  const { removed, left } = undesiredOf(input);
  const removals = removed.map((workload) => removalOf(workload, input));
  const decided = [...servers, ...removals].toSorted((a, b) => (a.change.server < b.change.server ? -1 : 1));
  const unused = leftovers(input, (server) => endsOf(server, decided));
  // Tightened once nothing needs it as it was: neither what did not pass its gate, nor what has not gone.
  const ends = decided.flatMap(({ steps }) =>
    steps.flatMap(({ op, id }) => (op === 'gate' || op === 'await-gone' ? [id] : [])),
  );
  const space = namespaceLabels(input, ends);
  const images = planImages(beginning(decided, desired), input);
  const steps = [
    ...before,
    ...images.steps,
    ...decided.flatMap((one) => one.steps),
    ...unused.steps,
    ...(space.first ? [] : space.steps),
  ].map((step) => ({ ...step, text: stepText(step) }));
  const changes = decided.map(({ change }) => change);
  const { id, name, kind, version, apiVersion, endpoint } = observed.engine;
  return {
    schemaVersion: 1,
    project: observed.project,
    engine: { id, name, kind, version, apiVersion, endpoint },
    basis: basisOf({ changes, steps }),
    changes,
    support: [...support.changes, ...space.changes, ...unused.changes].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    images: images.images,
    steps,
    drift: decided.flatMap(({ change, drift }) =>
      isNonEmpty(drift) && change.container !== undefined
        ? [{ server: change.server, container: change.container, fields: drift }]
        : [],
    ),
    rotations: rotationsOf(input, changes),
    warnings: [...strayNotices(observed), ...input.warnings, ...unlikeWarnings(input, changes), ...leftWarning(left)],
  };
}

/** The steps that a server's change ends with; undefined where nothing of it is decided, as it is blocked. */
function endsOf(server: string, decided: readonly Decided[]): readonly StepId[] | undefined {
  const found = decided.find(({ change }) => change.server === server);
  if (found?.change.action === 'blocked') return undefined;
  return (found?.steps ?? []).flatMap(({ op, id }) => (op === 'gate' || op === 'await-gone' ? [id] : []));
}

/** The servers of which pods begin, which then pull their image. */
const beginning = (decided: readonly Decided[], desired: readonly DeclaredServer[]): readonly DeclaredServer[] => {
  const gated = new Set(
    decided.flatMap(({ steps }) => steps.flatMap(({ op, server }) => (op === 'gate' ? [server] : []))),
  );
  return desired.filter(({ spec }) => gated.has(spec.name));
};

function rotationsOf({ observed, desired, context }: DecideInput, changes: readonly Change[]): readonly NextRotation[] {
  const stays = new Set(changes.flatMap(({ action, server }) => (action === 'unchanged' ? [server] : [])));
  return desired.flatMap(({ spec }) => {
    const workload = observed.servers.find(({ server }) => server === spec.name);
    const meant = workload && meantOf(workload);
    const aged = meant && agedOf(meant);
    if (aged === undefined || !stays.has(spec.name) || !spec.enabled) return [];
    const next = nextRotation(spec, aged, callsOf(meant, context.executions));
    return next === undefined ? [] : [next];
  });
}

/**
 * What of servers is otherwise on a cluster: told when a spec is made so, and not again. What comes of defaults is told once of
 * all servers, as nobody wrote it.
 */
function unlikeWarnings(
  { desired, registry, observed }: DecideInput,
  changes: readonly Change[],
): readonly PlanWarning[] {
  const isOfSpec = ({ kind }: Reason): boolean => kind === 'spec-changed' || kind === 'unreadable-record';
  const made = new Set(
    changes.flatMap((change) =>
      change.action === 'create' || (change.action === 'replace' && change.reasons.some(isOfSpec))
        ? [change.server]
        : [],
    ),
  );
  const unlike = desired.flatMap((server) =>
    made.has(server.spec.name)
      ? unlikeOnKubernetes(server.spec, onCluster(registry, observed.engine)).map((one) => ({
          ...one,
          server,
        }))
      : [],
  );
  const [usual, written] = [true, false].map((is) =>
    unlike.filter(({ server, path }) => isByDefault(server.spec, path) === is),
  );
  const byDefault = [...new Set((usual ?? []).map(({ message }) => message))];
  return [
    ...(written ?? []).map(({ server, path, message }) => ({
      code: 'other-on-cluster' as const,
      server: server.spec.name,
      message: `${path}: ${message}`,
      ...defined({ at: fieldPlace(server, path) }),
    })),
    ...(byDefault.length === 0
      ? []
      : [{ code: 'other-on-cluster' as const, message: `servers with the defaults: ${byDefault.join('; ')}` }]),
  ];
}
