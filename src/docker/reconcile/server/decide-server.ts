import type { DeclaredServer } from '../../../model/desired.ts';
import { LoomsError } from '../../../model/errors.ts';
import { type Blocker, isNonEmpty, type NonEmpty, type Reason } from '../../../model/plan.ts';
import { boundsOf, boundsText, countedBy, isOneContainer } from '../../../model/replicas.ts';
import { atField } from '../../../model/source.ts';
import { holderOf, isUp } from '../../model/generations.ts';
import { containerName, generationName, volumeName } from '../../model/labels.ts';
import type { ObservedContainer } from '../../model/observed.ts';
import { overlaps, resolveShape } from '../../model/resolve-shape.ts';
import { nameTaken, unsupported } from '../blockers.ts';
import { begunWith } from '../kept/kept-files.ts';
import { stateReason } from '../step-builders.ts';
import { type Assessed, assess, type SlotContext } from './assess-server.ts';
import { templateOf } from './container-template.ts';
import { orderOf, type ReplaceOrder } from './replace-order.ts';

/** The container that shall serve next: one to be made, or one that an interrupted run left behind. */
type Successor =
  | { readonly kind: 'new'; readonly generation: number }
  | { readonly kind: 'existing'; readonly container: ObservedContainer };

/** What to do about one server, before it becomes steps. */
export type Decision =
  | { readonly kind: 'unchanged'; readonly container?: ObservedContainer }
  | { readonly kind: 'create'; readonly generation: number; readonly others: readonly ObservedContainer[] }
  /** The right container, to be started, gated or renamed; the others go once it is good. */
  | {
      readonly kind: 'resume';
      readonly action: 'start' | 'rename';
      readonly container: ObservedContainer;
      readonly settled: boolean;
      /** A container that never passed its gate goes when it fails; one that has, or that served before, stays. */
      readonly removeOnFailure: boolean;
      readonly others: readonly ObservedContainer[];
      readonly reasons: NonEmpty<Reason>;
    }
  | {
      readonly kind: 'replace';
      readonly old: ObservedContainer;
      /** The name that the old one has while it is drained. */
      readonly retiringName: string;
      readonly successor: Successor;
      readonly order: ReplaceOrder;
      readonly others: readonly ObservedContainer[];
      readonly reasons: NonEmpty<Reason>;
    }
  | { readonly kind: 'stop'; readonly containers: NonEmpty<ObservedContainer>; readonly reasons: NonEmpty<Reason> }
  | {
      readonly kind: 'clean-up';
      readonly container: ObservedContainer;
      readonly others: NonEmpty<ObservedContainer>;
      readonly reasons: NonEmpty<Reason>;
    }
  | { readonly kind: 'blocked'; readonly why: Blocker };

/** An engine runs one container of a server: more would need somebody who leads sessions to the one or the other. */
function countBlocker(server: DeclaredServer): Blocker | undefined {
  const { spec } = server;
  if (!spec.enabled || isOneContainer(spec)) return undefined;
  const count = boundsText(boundsOf(spec));
  const why = `${count} containers are asked for, and an engine runs one of a server`;
  return unsupported(
    atField(server, countedBy(spec), why),
    'run it on a cluster (--context kubernetes:NAME), or take it out',
  );
}

function cannotRun(server: DeclaredServer, context: SlotContext): Blocker | undefined {
  const { engine, images } = context.observed;
  const { spec, image } = server;
  const counted = countBlocker(server);
  if (counted !== undefined) return counted;
  if (spec.limits.storageMiB !== undefined && !engine.canLimitStorage) {
    const detail = `storage_mb: the engine's storage driver ${engine.storageDriver} cannot limit a container's size`;
    return unsupported(detail, 'remove storage_mb, or use an engine with overlay2 on xfs with pquota');
  }
  const facts = images[image.ref];
  if (!facts && image.kind === 'pulled' && spec.pullPolicy === 'never') {
    const detail = `image ${image.ref} is not on this engine and pull_policy is never`;
    return unsupported(detail, `docker pull ${image.ref}, or set pull_policy: missing`);
  }
  const base = image.kind === 'built' ? image.base : undefined;
  if (!facts && base !== undefined && !images[base] && spec.pullPolicy === 'never') {
    const detail = `base image ${base} is not on this engine and pull_policy is never`;
    return unsupported(detail, `docker pull ${base}, or set pull_policy: missing`);
  }
  if (!facts) return undefined;
  try {
    const { tmpfs } = resolveShape(templateOf(spec, context.project), facts);
    // Only the image tells whether its working directory is one of its own; the other folders are known from the spec.
    const inMemory = spec.lifecycle.preserve.find((path) =>
      Object.keys(tmpfs).some((folder) => overlaps(path, folder)),
    );
    if (inMemory === undefined) return undefined;
    const detail = `lifecycle.preserve: ${inMemory} cannot be kept: the working directory is in memory with this image`;
    return unsupported(detail, 'keep the files elsewhere, or in a named volume mounted there');
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    return unsupported(error.message, error.hint);
  }
}

function holderOfName(server: DeclaredServer, context: SlotContext): Blocker | undefined {
  const name = containerName(context.project, server.spec.name);
  const holder = context.observed.foreign.find((container) => container.name === name);
  return holder && nameTaken(holder);
}

/** A volume under our name that looms did not make for this project holds somebody else's data. */
function volumeTaken(server: DeclaredServer, context: SlotContext): Blocker | undefined {
  const mounted = server.spec.mounts
    .filter((mount) => mount.type === 'volume')
    .map((mount) => volumeName(context.project, mount.source));
  const taken = context.observed.volumes.find((volume) => !volume.ours && mounted.includes(volume.name));
  return (
    taken && {
      kind: 'volume-taken',
      name: taken.name,
      hint: 'name another volume, or copy its data and remove it, then apply again',
    }
  );
}

/** The first generation from `first` on whose name is free. */
function freeGeneration(server: DeclaredServer, first: number, context: SlotContext): number {
  let generation = first;
  while (context.heldNames.has(generationName(context.project, server.spec.name, generation))) generation += 1;
  return generation;
}

/** One above every generation that there is or was, and past names that someone else holds. */
function nextGeneration(
  server: DeclaredServer,
  containers: readonly ObservedContainer[],
  context: SlotContext,
): number {
  const past = context.past.get(server.spec.name) ?? [];
  const known = [...containers, ...past].map(({ generation }) => generation);
  return freeGeneration(server, Math.max(0, ...known) + 1, context);
}

/** The name under which an old generation is drained: its own, unless someone else has that. */
function retiringName(server: DeclaredServer, old: ObservedContainer, next: number, context: SlotContext): string {
  const free = freeGeneration(server, old.generation, context);
  // The successor's name is not taken yet, but will be.
  const generation = free === next ? freeGeneration(server, next + 1, context) : free;
  return generationName(context.project, server.spec.name, generation);
}

/** "Keep the healthy lower generation": settled and running first, then running, then settled, then the lowest. */
const preference = (assessed: Assessed): number => (assessed.running ? 0 : 2) + (assessed.settled ? 0 : 1);
const best = (candidates: readonly Assessed[]): Assessed | undefined =>
  [...candidates].sort((a, b) => preference(a) - preference(b) || a.container.generation - b.container.generation)[0];

const preserves = ({ spec }: DeclaredServer): boolean => isNonEmpty(spec.lifecycle.preserve);

/**
 * Whether a container can stay or become the one that serves. One with files that are not the server's is made anew with
 * what is there now: what it was given was copied before the one that has them wrote the rest. And one below the settled
 * generation has had its time: made settled again, it would put a later one into the past of an earlier.
 */
function canServe(
  assessed: Assessed,
  all: readonly Assessed[],
  server: DeclaredServer,
  holder: ObservedContainer | undefined,
): boolean {
  if (assessed.stale.length > 0) return false;
  if (assessed.settled) return true;
  const settled = all.find((one) => one.settled && one.container.state.status !== 'dead');
  if (settled !== undefined && assessed.container.generation < settled.container.generation) return false;
  return !preserves(server) || holder === undefined || holder === assessed.container;
}

/** Only for a successor that passed its gate does the one before it give up the settled name. */
const isHandedOver = (successor: ObservedContainer, others: readonly Assessed[]): boolean =>
  others.some(
    ({ container: { generation, state } }) => generation < successor.generation && state.status !== 'created',
  );

function decideWithKeeper(
  keep: Assessed,
  others: readonly Assessed[],
  server: DeclaredServer,
  context: SlotContext,
): Decision {
  const { container } = keep;
  const begun = begunWith(context.kept.get(server.spec.name));
  const rest = others.map((other) => other.container);
  const state = stateReason(container);
  if (keep.settled) {
    if (state !== undefined) {
      return {
        kind: 'resume',
        action: 'start',
        container,
        settled: true,
        removeOnFailure: false,
        others: rest,
        reasons: [state],
      };
    }
    const ids = rest.map((other) => other.id);
    if (!isNonEmpty(rest) || !isNonEmpty(ids)) return { kind: 'unchanged', container };
    return { kind: 'clean-up', container, others: rest, reasons: [{ kind: 'duplicate', ids }] };
  }
  const taken = holderOfName(server, context);
  if (taken !== undefined) return { kind: 'blocked', why: taken };
  const old = others.find((other) => other.settled);
  if (old !== undefined) {
    const beside = rest.filter((other) => other !== old.container);
    return {
      kind: 'replace',
      old: old.container,
      retiringName: retiringName(server, old.container, container.generation, context),
      successor: { kind: 'existing', container },
      order: orderOf(server, old.container, beside),
      others: beside,
      reasons: [{ kind: 'interrupted-rotation' }, ...old.stale],
    };
  }
  const pending = container.name === generationName(context.project, server.spec.name, container.generation);
  const named: Reason = pending ? { kind: 'gate-pending' } : { kind: 'misnamed', name: container.name };
  return {
    kind: 'resume',
    action: state === undefined && !pending ? 'rename' : 'start',
    container,
    settled: false,
    removeOnFailure: pending && !isHandedOver(container, others) && container.id !== begun,
    others: rest,
    reasons: state === undefined ? [named] : [state, named],
  };
}

/** Decides about a server by docs/architecture.md, "Replacement without a journal"; its containers by generation. */
export function decideServer(
  server: DeclaredServer,
  containers: readonly ObservedContainer[],
  context: SlotContext,
): { decision: Decision; assessed: readonly Assessed[] } {
  const assessed = containers.map((container) => assess(server, container, context));
  return { decision: decideAssessed(server, assessed, context), assessed };
}

function decideAssessed(server: DeclaredServer, assessed: readonly Assessed[], context: SlotContext): Decision {
  const containers = assessed.map((one) => one.container);
  if (!server.spec.enabled) {
    const asked = context.stop.has(server.spec.name);
    const active = containers.filter(isUp);
    return isNonEmpty(active)
      ? { kind: 'stop', containers: active, reasons: [{ kind: asked ? 'requested' : 'disabled' }] }
      : { kind: 'unchanged' };
  }
  const { name } = server.spec;
  const holder = holderOf(containers, context.project, name, begunWith(context.kept.get(name)));
  const keep = best(assessed.filter((one) => canServe(one, assessed, server, holder)));
  if (keep !== undefined)
    return decideWithKeeper(
      keep,
      assessed.filter((one) => one !== keep),
      server,
      context,
    );
  const blocker = holderOfName(server, context) ?? volumeTaken(server, context) ?? cannotRun(server, context);
  if (blocker !== undefined) return { kind: 'blocked', why: blocker };
  const generation = nextGeneration(server, containers, context);
  const served = assessed.filter((one) => one.container.state.status !== 'created');
  const old =
    assessed.find((one) => one.settled) ??
    (preserves(server) ? assessed.find((one) => one.container === holder) : undefined) ??
    best(served);
  if (old === undefined) return { kind: 'create', generation, others: containers };
  const beside = containers.filter((container) => container !== old.container);
  return {
    kind: 'replace',
    old: old.container,
    retiringName: retiringName(server, old.container, generation, context),
    successor: { kind: 'new', generation },
    order: orderOf(server, old.container, beside),
    others: beside,
    reasons: old.stale as NonEmpty<Reason>,
  };
}
