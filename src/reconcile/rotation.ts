import type { Lifecycle } from '../model/desired.ts';
import type { EngineTime, ObservedContainer } from '../model/observed.ts';
import type { Reason } from '../model/plan.ts';

const hourMs = 3_600_000;

/** When a container is due by age, on the engine's clock in ms; undefined: never. */
export const rotationTime = (lifecycle: Lifecycle, createdAt: EngineTime): EngineTime | undefined =>
  lifecycle.rotationIntervalHours === undefined ? undefined : createdAt + lifecycle.rotationIntervalHours * hourMs;

/**
 * Whether a container has served its time (spec.md, lifecycle): by age on the engine's clock, or by executions.
 * Both limits count from the container's creation, so a replacement starts anew.
 */
export function rotationDue(
  lifecycle: Lifecycle,
  container: Pick<ObservedContainer, 'createdAt'>,
  now: EngineTime,
  executions: number,
): Reason | undefined {
  const due = rotationTime(lifecycle, container.createdAt);
  if (due !== undefined && due <= now) {
    const age = ((now - container.createdAt) / hourMs).toFixed(1);
    return { kind: 'rotation-due', by: 'age', detail: `${age} h old, limit ${lifecycle.rotationIntervalHours} h` };
  }
  if (lifecycle.maxExecutions !== undefined && executions >= lifecycle.maxExecutions) {
    return { kind: 'rotation-due', by: 'executions', detail: `${executions} calls, limit ${lifecycle.maxExecutions}` };
  }
  return undefined;
}
