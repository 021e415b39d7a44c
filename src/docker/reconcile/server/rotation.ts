import type { DesiredServer, Lifecycle } from '../../../model/desired.ts';
import type { EngineTime } from '../../../model/engine.ts';
import type { NextRotation, Reason } from '../../../model/plan.ts';
import { duration, isoTime } from '../../../model/times.ts';
import type { ObservedContainer } from '../../model/observed.ts';

const hourMs = 3_600_000;

/** When a container is due by age, on the engine's clock in ms; undefined: never. */
export const rotationTime = (lifecycle: Lifecycle, createdAt: EngineTime): EngineTime | undefined =>
  lifecycle.rotationIntervalHours === undefined ? undefined : createdAt + lifecycle.rotationIntervalHours * hourMs;

/** Whether a container served its time by age (engine's clock) or executions, since its creation (docs/spec.md). */
export function rotationDue(
  lifecycle: Lifecycle,
  container: Pick<ObservedContainer, 'createdAt'>,
  now: EngineTime,
  executions: number,
): Reason | undefined {
  const due = rotationTime(lifecycle, container.createdAt);
  if (due !== undefined && due <= now) {
    const age = duration(now - container.createdAt);
    const limit = duration((lifecycle.rotationIntervalHours ?? 0) * hourMs);
    return { kind: 'rotation-due', by: 'age', detail: `${age} old, limit ${limit}` };
  }
  if (lifecycle.maxExecutions !== undefined && executions >= lifecycle.maxExecutions) {
    return {
      kind: 'rotation-due',
      by: 'executions',
      detail: `${executions} ${executions === 1 ? 'call' : 'calls'}, limit ${lifecycle.maxExecutions}`,
    };
  }
  return undefined;
}

/** When a container that stays will have served its time; undefined when its spec sets no limit. */
export function nextRotation(
  { name, lifecycle }: Pick<DesiredServer, 'name' | 'lifecycle'>,
  container: Pick<ObservedContainer, 'createdAt'>,
  executions: number,
): NextRotation | undefined {
  const at = rotationTime(lifecycle, container.createdAt);
  const { maxExecutions: limit } = lifecycle;
  if (at === undefined && limit === undefined) return undefined;
  return {
    server: name,
    ...(at === undefined ? {} : { at: isoTime(at) }),
    ...(limit === undefined ? {} : { callsLeft: Math.max(0, limit - executions) }),
  };
}
