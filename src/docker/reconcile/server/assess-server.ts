import type { DeclaredServer } from '../../../model/desired.ts';
import { isHttp } from '../../../model/desired.ts';
import type { Unanswered } from '../../../model/health.ts';
import { type ContainerId, type ProjectName, type ServerName, shortId } from '../../../model/ids.ts';
import { compareSpecs } from '../../../model/plan/compare-specs.ts';
import { rotationDue } from '../../../model/plan/rotation.ts';
import { type FieldDifference, isNonEmpty, type NonEmpty, type Reason } from '../../../model/plan.ts';
import { isRunning, isSettled, isUp } from '../../model/generations.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../../model/observed.ts';
import { resolveShape, unknownImage } from '../../model/resolve-shape.ts';
import { liveFields } from '../../model/shape.ts';
import { type EgressSubnets, wayOutOf } from '../../model/way-out.ts';
import { compareShapes } from '../compare/compare-shapes.ts';
import type { KeptFiles } from '../kept/kept-files.ts';
import { templateOf } from './container-template.ts';

/** What the decision about one server depends on besides its spec and its containers. */
export type SlotContext = {
  readonly project: ProjectName;
  readonly observed: Observed;
  readonly egressSubnets: EgressSubnets;
  /** What earlier deletions kept. */
  readonly kept: ReadonlyMap<ServerName, KeptFiles>;
  /** Names of all containers, ours or not. */
  readonly heldNames: ReadonlySet<string>;
  /** Records of past generations. */
  readonly past: ReadonlyMap<ServerName | undefined, readonly GenerationRecord[]>;
  /** Executions counted so far, by container. */
  readonly executions: ReadonlyMap<ContainerId, number>;
  /** Variables whose secrets have other values than the container was made with, by container. */
  readonly changedSecrets: ReadonlyMap<ContainerId, NonEmpty<string>>;
  /** Servers whose replacement was asked for. */
  readonly replace: ReadonlySet<ServerName>;
  /** Servers that run and do not answer. */
  readonly unhealthy: ReadonlyMap<ServerName, Unanswered>;
  /** Servers that somebody asked to stop; their specs say that they are not to run. */
  readonly stop: ReadonlySet<ServerName>;
  /** The generation that is gone back to. */
  readonly rollbackTo: number | undefined;
};

/** One container of a server, held against what the server should be. */
export type Assessed = {
  readonly container: ObservedContainer;
  /** Under the server's own name: its gate has passed. */
  readonly settled: boolean;
  readonly running: boolean;
  /** Why it must be replaced; empty: it is what we want, whatever its state. */
  readonly stale: readonly Reason[];
  /** Changed outside looms. */
  readonly drift: readonly FieldDifference[];
};

function imageReason(server: DeclaredServer, container: ObservedContainer, context: SlotContext): Reason[] {
  const { ref } = server.image;
  const facts = context.observed.images[ref];
  if (container.imageRef !== ref) return []; // The spec names another image: that is a spec change, told as such.
  if (facts && facts.id !== container.shape.imageId) {
    const from = `${ref} (${shortId(container.shape.imageId)})`;
    return [{ kind: 'image-changed', fields: [{ path: 'image', from, to: `${ref} (${shortId(facts.id)})` }] }];
  }
  if (context.observed.registry[ref]?.answer === 'newer') {
    const from = `${ref} (${shortId(container.shape.imageId)})`;
    return [{ kind: 'image-changed', fields: [{ path: 'image', from, to: `${ref} (newer in the registry)` }] }];
  }
  return [];
}

function driftOf(server: DeclaredServer, container: ObservedContainer, context: SlotContext): FieldDifference[] {
  const { recorded } = container;
  if (recorded === undefined) return [];
  const facts = context.observed.images[recorded.image] ?? null;
  const imageKnown = facts !== null && facts.id === container.shape.imageId && recorded.image === server.image.ref;
  const wanted = resolveShape(
    templateOf(recorded.spec, context.project, wayOutOf(recorded.spec, context.observed, context.egressSubnets)),
    imageKnown ? facts : unknownImage(container.shape.imageId, container.imageRef),
  );
  const env = `${liveFields.env.path}.`;
  // The container of an HTTP server has the variables of both places.
  const own = isHttp(recorded.spec) ? recorded.spec.mcp.env : {};
  return compareShapes(wanted, container.shape, imageKnown).map((one) => {
    const variable = one.path.startsWith(env) ? one.path.slice(env.length) : undefined;
    return variable !== undefined && Object.hasOwn(own, variable)
      ? { ...one, path: `mcp_server.env.${variable}` }
      : one;
  });
}

function specReason(server: DeclaredServer, container: ObservedContainer): Reason[] {
  const { recorded, foreignRecord } = container;
  if (recorded === undefined) return [{ kind: 'unreadable-record' }];
  // The hash is a shortcut, which anybody can write beside another record: it counts where this machine signed that. When it
  // was made by another version, equal fields mean that nothing changed.
  if (foreignRecord === undefined && container.specHash === server.hash) return [];
  const fields = compareSpecs(recorded, { spec: server.spec, image: server.image.ref });
  return isNonEmpty(fields) ? [{ kind: 'spec-changed', fields }] : [];
}

/** Holds one container against its server's spec. Pure; the same input gives the same reasons in the same order. */
export function assess(server: DeclaredServer, container: ObservedContainer, context: SlotContext): Assessed {
  const settled = isSettled(context.project, server.spec.name)(container);
  const drift = driftOf(server, container, context);
  // Also of one that has not passed its gate yet: it would be replaced right after.
  const calls = context.executions.get(container.id) ?? 0;
  const rotation = rotationDue(server.spec.lifecycle, container, context.observed.now, calls);
  const secrets = context.changedSecrets.get(container.id);
  // One that was stopped since it was asked answers nothing either, which is no fault of it; another loop or a person may
  // have replaced the one that was asked.
  const silent = settled && isUp(container) ? context.unhealthy.get(server.spec.name) : undefined;
  const unanswered = silent?.container === container.id ? silent.why : undefined;
  const stale: Reason[] = [
    ...specReason(server, container),
    ...(isNonEmpty(drift) ? [{ kind: 'live-drift', fields: drift } as const] : []),
    ...imageReason(server, container, context),
    ...(secrets === undefined ? [] : [{ kind: 'secret-changed', variables: secrets } as const]),
    ...(container.state.status === 'dead'
      ? [{ kind: 'unhealthy', why: 'the engine reports it as dead' } as const]
      : []),
    ...(unanswered === undefined ? [] : [{ kind: 'unhealthy', why: unanswered } as const]),
    // A run that was killed right after creating it may not have prepared it: secrets, volumes, files to carry over.
    ...(!settled && container.state.status === 'created' ? [{ kind: 'not-started' } as const] : []),
    ...(rotation === undefined ? [] : [rotation]),
    ...(settled && context.replace.has(server.spec.name) ? [{ kind: 'requested' } as const] : []),
  ];
  // What is as it was then needs no going back, so a rollback that was killed is completed by another one.
  const asked: Reason[] =
    context.rollbackTo === undefined || !settled || stale.length === 0
      ? []
      : [{ kind: 'requested', detail: `rollback to generation ${context.rollbackTo}` }];
  return {
    container,
    settled,
    running: isRunning(container),
    stale: [...asked, ...stale],
    drift,
  };
}
