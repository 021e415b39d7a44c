import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { type Change, isRotation, type Plan } from '../../model/plan.ts';
import type { Prepared } from '../../orchestrator/port.ts';
import { secretTroubles } from '../apply/apply-plan.ts';
import type { Ports } from '../ports.ts';
import type { BackOff } from './back-off.ts';
import { stopsByHand } from './stopped-by.ts';
import type { LeftAlone } from './told.ts';

/** Rotations that are due are a minute apart, ms: a fleet that was made at once is not made anew at once. */
export const rotationPauseMs = 60_000;

/**
 * What is declared of a server, for the pauses between repairs: with other words in the file, also those that switch it on
 * or off, it begins anew.
 */
export const declaredAs = ({ spec, hash, place }: DeclaredServer): string =>
  [hash, ...(spec.enabled ? [] : ['disabled']), ...(place === undefined ? [] : [JSON.stringify(place)])].join(' ');

type HoldBack = {
  readonly ports: Ports;
  readonly backOff: BackOff;
  readonly servers: readonly DeclaredServer[];
  /** Whether a rotation may begin now. */
  readonly mayRotate: boolean;
};

const isMoved = (change: Change): boolean => 'reasons' in change && change.reasons.some(({ kind }) => kind === 'moved');

/** Whether what did not run runs after a change: it is started, or made, also on another engine than before. */
const begins = (change: Change): boolean =>
  change.action === 'start' || change.action === 'create' || (change.action === 'replace' && isMoved(change));

/** Which servers a plan would start, or make, that a person stopped. */
export async function stoppedByPerson(ports: Ports, plan: Plan): Promise<ReadonlyMap<ServerName, LeftAlone>> {
  const stoppedBy = stopsByHand(ports, plan);
  const stopped = new Map<ServerName, LeftAlone>();
  for (const { server } of plan.changes.filter(begins)) {
    const person = await stoppedBy(server);
    if (person !== undefined) stopped.set(server, person);
  }
  return stopped;
}

/** Which servers a plan would change are left alone for now, and why. */
export async function heldBack(
  prepared: Prepared,
  { ports, backOff, servers, mayRotate }: HoldBack,
): Promise<ReadonlyMap<ServerName, LeftAlone>> {
  const { plan } = prepared;
  const troubles = await secretTroubles(ports, prepared);
  const hashes = new Map(servers.map((one) => [one.spec.name, declaredAs(one)]));
  // What a person said stands above all else that keeps a server from being started.
  const stopped = await stoppedByPerson(ports, plan);
  const held = new Map<ServerName, LeftAlone>();
  let turns = mayRotate ? 1 : 0;
  for (const change of plan.changes) {
    const { server, action } = change;
    if (action === 'unchanged') continue;
    const person = stopped.get(server);
    const waiting = await backOff.waiting(server, hashes.get(server) ?? '');
    const trouble = troubles.get(server);
    if (person !== undefined) held.set(server, person);
    else if (waiting !== undefined) {
      const { repairs, forMs, why } = waiting;
      held.set(server, { why: 'waiting', repairs, forMs, after: why });
    } else if (action === 'blocked') held.set(server, { why: 'blocked', blocker: change.why });
    else if (trouble !== undefined) held.set(server, { why: 'without-secrets', failure: trouble });
    else if (isRotation(change) && turns === 0) held.set(server, { why: 'rotation-turn' });
    else if (isRotation(change)) turns -= 1;
  }
  return held;
}

/**
 * Of servers that a person stopped those that another engine has, too, as after it was lost: as they are declared, but switched
 * off. Planned so, they are taken away there, where they may run, and are started nowhere. Where that failed it is waited.
 */
export async function stoppedElsewhere(
  { changes }: Pick<Plan, 'changes'>,
  held: ReadonlyMap<ServerName, LeftAlone>,
  { backOff, servers }: Pick<HoldBack, 'backOff' | 'servers'>,
): Promise<ReadonlyMap<ServerName, DeclaredServer>> {
  const found = new Map<ServerName, DeclaredServer>();
  for (const one of servers) {
    const { name } = one.spec;
    if (held.get(name)?.why !== 'stopped-by-person') continue;
    if (!changes.some((change) => change.server === name && isMoved(change))) continue;
    const off = { ...one, spec: { ...one.spec, enabled: false } };
    if ((await backOff.waiting(name, declaredAs(off))) === undefined) found.set(name, off);
  }
  return found;
}

/**
 * Looks once more, under the lock, at a plan that holds nothing to be left alone when it was made: a person may have
 * stopped a server while the lock was waited for, or started one that was planned as stopped (`stoppedElsewhere`). Throws
 * `plan-stale` where a server is to be left alone by now.
 */
export async function requireNoneHeld(again: Prepared, options: HoldBack): Promise<void> {
  const declared = new Set(options.servers.flatMap(({ spec: { name, enabled } }) => (enabled ? [name] : [])));
  const started = again.plan.changes.filter(({ server, action }) => action === 'stop' && declared.has(server));
  const held = [...(await heldBack(again, options)).keys(), ...started.map(({ server }) => server)];
  if (held.length > 0) throw new LoomsError('plan-stale', `${held.join(', ')} is to be left alone by now`);
}
