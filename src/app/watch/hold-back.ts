import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { type Change, isRotation, type Plan } from '../../model/plan.ts';
import { ownName } from '../../model/serve-settings.ts';
import type { Prepared } from '../../orchestrator/port.ts';
import { secretTroubles } from '../apply/apply-plan.ts';
import type { Ports } from '../ports.ts';
import type { BackOff } from './back-off.ts';
import type { LeftAlone } from './told.ts';

/** Rotations that are due are a minute apart, ms: a fleet that was made at once is not made anew at once. */
export const rotationPauseMs = 60_000;

/** The command that is a person's word that a server shall not run; whatever else stops one does so for a file. */
const stopByHand = 'looms mcp stop';
/** So long a stop may be under way, ms: `drain_seconds` may be an hour. */
const longestStopMs = 3_900_000;

/**
 * What is declared of a server, for the pauses between repairs: with other words in the file, also those that switch it on
 * or off, it begins anew.
 */
export const declaredAs = ({ spec, hash, place }: DeclaredServer): string =>
  [hash, ...(spec.enabled ? [] : ['disabled']), ...(place === undefined ? [] : [JSON.stringify(place)])].join(' ');

/**
 * Who stopped a server by hand, where that is the last that looms did with it on this engine; `docker stop` is drift. A
 * stop that failed is none: the server ran on. One that is under way has stopped it before its end is written down. What
 * ended before its first step, as for want of the lock, did nothing with any server.
 */
async function stoppedBy(ports: Ports, { project, engine }: Plan, server: ServerName): Promise<LeftAlone | undefined> {
  const asked = { project, servers: [server], newestFirst: true };
  for await (const { servers = [], outcomes = [], ...change } of ports.auditReader.changes(asked)) {
    if (change.engine !== engine.id || !servers.some((one) => one.server === server)) continue;
    if (outcomes.length === 0 && (change.result === 'failed' || change.result === 'interrupted')) continue;
    const isDone = outcomes.some((one) => one.server === server && one.outcome === 'done');
    const isUnderWay = change.result === undefined && Math.abs(ports.now() - Date.parse(change.time)) < longestStopMs;
    if (change.command !== stopByHand || !(isDone || isUnderWay)) return undefined;
    const { user, principal = ownName, time } = change;
    return { why: 'stopped-by-person', user: principal === ownName ? user : principal, time };
  }
  return undefined;
}

type HoldBack = {
  readonly ports: Ports;
  readonly backOff: BackOff;
  readonly servers: readonly DeclaredServer[];
  /** Whether a rotation may begin now. */
  readonly mayRotate: boolean;
};

/** Whether what did not run runs after a change: it is started, or made, also on another engine than before. */
const begins = (change: Change): boolean =>
  change.action === 'start' ||
  change.action === 'create' ||
  (change.action === 'replace' && change.reasons.some(({ kind }) => kind === 'moved'));

/** Which servers a plan would change are left alone for now, and why. */
export async function heldBack(
  prepared: Prepared,
  { ports, backOff, servers, mayRotate }: HoldBack,
): Promise<ReadonlyMap<ServerName, LeftAlone>> {
  const { plan } = prepared;
  const troubles = await secretTroubles(ports, prepared);
  const hashes = new Map(servers.map((one) => [one.spec.name, declaredAs(one)]));
  const held = new Map<ServerName, LeftAlone>();
  let turns = mayRotate ? 1 : 0;
  for (const change of plan.changes) {
    const { server, action } = change;
    if (action === 'unchanged') continue;
    // What a person said stands above all else that keeps a server from being started.
    const person = begins(change) ? await stoppedBy(ports, plan, server) : undefined;
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
 * Looks once more, under the lock, at a plan that holds nothing to be left alone when it was made: a person may have
 * stopped a server while the lock was waited for. Throws `plan-stale` where a server is to be left alone by now.
 */
export async function requireNoneHeld(again: Prepared, options: HoldBack): Promise<void> {
  const held = await heldBack(again, options);
  if (held.size > 0) throw new LoomsError('plan-stale', `${[...held.keys()].join(', ')} is to be left alone by now`);
}
