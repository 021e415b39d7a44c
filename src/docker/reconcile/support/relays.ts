import type { DeclaredServer } from '../../../model/desired.ts';
import { isHttp } from '../../../model/desired.ts';
import type { StepId } from '../../../model/ids.ts';
import { type Blocker, isNonEmpty, type Reason } from '../../../model/plan.ts';
import { isUp } from '../../model/generations.ts';
import { networkName, relayName } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import type { Operation, StepDraft } from '../../steps.ts';
import { nameTaken } from '../blockers.ts';
import { relayContainer } from '../server/container-template.ts';
import { on, supportStep } from '../step-builders.ts';
import {
  isOn,
  type Mode,
  nothing,
  removedChange,
  type SupportInput,
  type SupportPlan,
  usesMode,
} from './support-plan.ts';
import { type SupportReasons, supportReasons } from './support-reasons.ts';

function removeRelay(relay: ObservedContainer, mode: Mode, index: number, after: readonly StepId[] = []): StepDraft {
  const id = `relay:${mode}/remove${index === 0 ? '' : `:${index}`}`;
  return supportStep(id, 'a relay that is not as it should be', on('remove-container', relay), after);
}

/** Waits for the sessions that go through a relay, as long as the most patient of its servers would. */
function drainOf(
  relay: ObservedContainer,
  { servers }: SupportInput,
  mode: Mode,
  index: number,
  after: readonly StepId[],
): StepDraft[] {
  const served = servers.filter((server) => isHttp(server.spec) && usesMode(server, mode));
  const seconds = Math.max(0, ...served.map(({ spec }) => spec.lifecycle.drainSeconds));
  const drain: Operation = { op: 'drain', target: { id: relay.id }, name: relay.name, seconds };
  const id = `relay:${mode}/drain${index === 0 ? '' : `:${index}`}`;
  return seconds === 0 ? [] : [supportStep(id, 'calls to HTTP servers go through it', drain, after)];
}

/**
 * The relays of a network, the one under its own name first. By label and network, as a relay that was renamed is one
 * of ours all the same; by name too, as one that was taken off its network holds the name.
 */
function relaysOf({ project, observed }: SupportInput, mode: Mode): ObservedContainer[] {
  const name = relayName(project, mode);
  return observed.containers
    .filter(({ role }) => role === 'relay')
    .filter(
      (relay) => isOn(relay, networkName(project, mode)) || (relay.name === name && !isNonEmpty(relay.shape.networks)),
    )
    .sort((a, b) => Number(b.name === name) - Number(a.name === name) || (a.id < b.id ? -1 : 1));
}

/** Why no HTTP server can be reached on a network, when none can. */
export function relayBlocker(server: DeclaredServer, mode: Mode, observed: Observed): Blocker | undefined {
  const name = relayName(observed.project, mode);
  const holder = isHttp(server.spec) ? observed.foreign.find((container) => container.name === name) : undefined;
  return holder && nameTaken(holder);
}

function removalOf(relays: readonly ObservedContainer[], input: SupportInput, mode: Mode): SupportPlan {
  const onNetwork = (container: ObservedContainer): boolean => isOn(container, networkName(input.project, mode));
  const needed = input.staying.some(
    (container) => container.recorded?.spec.mcp.transport.kind !== 'stdio' && onNetwork(container),
  );
  if (needed || !isNonEmpty(relays)) return nothing;
  const name = relayName(input.project, mode);
  return {
    changes: [removedChange('relay', name)],
    steps: [],
    teardown: relays.map((relay, index) => removeRelay(relay, mode, index)),
  };
}

function startOf(
  relay: ObservedContainer,
  name: string,
  mode: Mode,
  reasons: readonly [Reason, ...Reason[]],
): SupportPlan {
  const operation = on(relay.state.status === 'running' ? 'unpause-container' : 'start-container', relay);
  return {
    changes: [{ kind: 'relay', name, action: 'start', reasons }],
    steps: [supportStep(`relay:${mode}/start`, 'HTTP servers are reached through it', operation)],
    teardown: [],
  };
}

/** Makes the relay that HTTP servers of a network are reached through, one of it, and removes it after the last of them. */
export function relayPlan(input: SupportInput, mode: Mode, networkSteps: readonly StepDraft[]): SupportPlan {
  const name = relayName(input.project, mode);
  const relays = relaysOf(input, mode);
  if (!input.servers.some((server) => isHttp(server.spec) && usesMode(server, mode)))
    return removalOf(relays, input, mode);
  const [relay, ...others] = relays;
  const planned = relayContainer(input.project, mode, input.relayImage, input.managedBy);
  const { stale, state }: SupportReasons =
    relay === undefined ? { stale: [], state: [] } : supportReasons(relay, planned, input.relayImage, input.observed);
  if (relay !== undefined && stale.length === 0) {
    const part = isNonEmpty(state) ? startOf(relay, name, mode, state) : nothing;
    const surplus = others.map((one, index) => removeRelay(one, mode, index));
    const ids = others.map(({ id }) => id);
    if (!isNonEmpty(ids)) return part;
    const change = { kind: 'relay', name, action: 'remove', reasons: [{ kind: 'duplicate', ids }] } as const;
    return { ...part, changes: [...part.changes, change], teardown: surplus };
  }
  // The one that is there goes only when its successor can be made.
  const image = input.imageStep(input.relayImage);
  const ready = [...image, ...networkSteps.map((one) => one.id)];
  const drains = relays.filter(isUp).flatMap((one, index) => drainOf(one, input, mode, index, ready));
  const drained = [...ready, ...drains.map((one) => one.id)];
  const removals = relays.map((one, index) => removeRelay(one, mode, index, drained));
  const why = 'HTTP servers are reached through it';
  const create = supportStep(`relay:${mode}/create`, why, { op: 'create-container', container: planned }, [
    ...ready,
    ...removals.map((one) => one.id),
  ]);
  const start: Operation = { op: 'start-container', target: { madeBy: create.id }, name };
  return {
    changes: [
      isNonEmpty(stale)
        ? { kind: 'relay', name, action: 'replace', reasons: stale }
        : { kind: 'relay', name, action: 'create', reasons: [{ kind: 'missing' }] },
    ],
    steps: [...drains, ...removals, create, supportStep(`relay:${mode}/start`, why, start, [create.id])],
    teardown: [],
  };
}
