import { createHash } from 'node:crypto';
import type { DesiredServer, Lifecycle } from '../desired.ts';
import type { EngineTime } from '../engine.ts';
import type { ContainerId } from '../ids.ts';
import type { NextRotation, Reason } from '../plan.ts';
import { duration, isoTime } from '../times.ts';
import { plural } from '../values/words.ts';

const hourMs = 3_600_000;

/** Share of the interval, at most, by which a container is due before its end. */
const spread = 0.2;

type Aged = { readonly id: ContainerId; readonly createdAt: EngineTime };

/** A share from 0 up to 1 that is a container's own: its id decides, so nothing has to be remembered. */
const ownShare = (id: string): number => createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32;

/**
 * When a container is due by age, on the engine's clock in ms; undefined: never. In the last fifth of its interval, each
 * at a moment of its own: containers that were made at once are not made anew at once (docs/spec.md).
 */
export const rotationTime = (
  { rotationIntervalHours: hours }: Lifecycle,
  { id, createdAt }: Aged,
): EngineTime | undefined =>
  hours === undefined ? undefined : createdAt + Math.floor(hours * hourMs * (1 - spread * ownShare(id)));

/** Whether a container served its time by age (engine's clock) or executions, since its creation (docs/spec.md). */
export function rotationDue(
  lifecycle: Lifecycle,
  container: Aged,
  now: EngineTime,
  executions: number,
): Reason | undefined {
  const due = rotationTime(lifecycle, container);
  if (due !== undefined && due <= now) {
    const age = duration(now - container.createdAt);
    const limit = duration((lifecycle.rotationIntervalHours ?? 0) * hourMs);
    return { kind: 'rotation-due', by: 'age', detail: `${age} old, limit ${limit}` };
  }
  if (lifecycle.maxExecutions !== undefined && executions >= lifecycle.maxExecutions) {
    const detail = `${plural(executions, 'call')}, limit ${lifecycle.maxExecutions}`;
    return { kind: 'rotation-due', by: 'executions', detail };
  }
  return undefined;
}

/** When a container that stays will have served its time; undefined when its spec sets no limit. */
export function nextRotation(
  { name, lifecycle }: Pick<DesiredServer, 'name' | 'lifecycle'>,
  container: Aged,
  executions: number,
): NextRotation | undefined {
  const at = rotationTime(lifecycle, container);
  const { maxExecutions: limit } = lifecycle;
  if (at === undefined && limit === undefined) return undefined;
  return {
    server: name,
    ...(at === undefined ? {} : { at: isoTime(at) }),
    ...(limit === undefined ? {} : { callsLeft: Math.max(0, limit - executions) }),
  };
}
