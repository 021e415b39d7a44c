import { assertNever } from '../../model/errors.ts';
import type { Blocker, Change, FieldDifference, Plan, Reason } from '../../model/plan.ts';
import { visible } from './text.ts';

/** Why something changes, in words. Fields are listed apart. */
export function describeReason(reason: Reason): string {
  switch (reason.kind) {
    case 'spec-changed':
      return 'the spec changed';
    case 'live-drift':
      return 'changed outside looms';
    case 'image-changed':
      return 'its image changed';
    case 'missing':
      return 'not there yet';
    case 'exited':
      return `exited with code ${reason.exitCode}`;
    case 'not-started':
      return 'created but never started';
    case 'paused':
      return 'paused';
    case 'unhealthy':
      return `unhealthy: ${visible(reason.why)}`;
    case 'misnamed':
      return `runs under the name ${visible(reason.name)}`;
    case 'gate-pending':
      return 'has not passed its gate yet';
    case 'disabled':
      return 'disabled in its spec';
    case 'rotation-due':
      return `rotation due by ${reason.by}: ${visible(reason.detail)}`;
    case 'duplicate':
      return `runs ${reason.ids.length + 1} times`;
    case 'not-in-spec':
      return 'not in the spec';
    case 'requested':
      return 'asked for';
    case 'interrupted-rotation':
      return 'an earlier replacement was interrupted';
    case 'unreadable-record':
      return 'its record cannot be read';
    default:
      return assertNever(reason);
  }
}

/** What stands in the way of a change, in words. */
export function describeBlocker(blocker: Blocker): string {
  switch (blocker.kind) {
    case 'name-taken':
      return `the name ${visible(blocker.name)} is held by container ${blocker.id.slice(0, 12)} (${visible(blocker.image)}), which ${visible(blocker.owner)} owns`;
    case 'network-taken':
      return `the network ${visible(blocker.name)} exists and is not ours`;
    case 'policy':
      return `policy ${blocker.rule}: ${visible(blocker.detail)}`;
    case 'unsupported':
      return visible(blocker.detail);
    default:
      return assertNever(blocker);
  }
}

/** The reasons of a change; none for one that is unchanged or blocked. */
export const reasonsOf = (change: Change): readonly Reason[] => ('reasons' in change ? change.reasons : []);

/** The fields that differ according to a change's reasons, drift included. */
export const fieldsOf = (change: Change): readonly FieldDifference[] =>
  reasonsOf(change).flatMap((reason) => ('fields' in reason ? [...reason.fields] : []));

/** Everything that makes a change, in one line. */
export const describeReasons = (change: Change): string => reasonsOf(change).map(describeReason).join(', ');

export type Counts = {
  readonly create: number;
  readonly replace: number;
  readonly start: number;
  readonly stop: number;
  readonly rename: number;
  readonly cleanUp: number;
  readonly remove: number;
  readonly blocked: number;
  readonly unchanged: number;
};

/** How many servers each action concerns. */
export function countActions(plan: Plan): Counts {
  const count = (action: Change['action']) => plan.changes.filter((change) => change.action === action).length;
  return {
    create: count('create'),
    replace: count('replace'),
    start: count('start'),
    stop: count('stop'),
    rename: count('rename'),
    cleanUp: count('clean-up'),
    remove: count('remove'),
    blocked: count('blocked'),
    unchanged: count('unchanged'),
  };
}

/** `2 to create, 1 to replace, 0 to remove, 47 unchanged`; what rarely happens is named only when it does. */
export function describeCounts(counts: Counts): string {
  const seldom = (count: number, text: string) => (count > 0 ? [`${count} ${text}`] : []);
  return [
    `${counts.create} to create`,
    `${counts.replace} to replace`,
    ...seldom(counts.start, 'to start'),
    ...seldom(counts.stop, 'to stop'),
    ...seldom(counts.rename, 'to rename'),
    ...seldom(counts.cleanUp, 'to clean up'),
    `${counts.remove} to remove`,
    ...seldom(counts.blocked, 'blocked'),
    `${counts.unchanged} unchanged`,
  ].join(', ');
}

/** Whether the engine is as declared: nothing to do and nothing in the way. */
export const isInSync = (plan: Plan): boolean =>
  plan.steps.length === 0 && plan.support.length === 0 && plan.changes.every((change) => change.action === 'unchanged');
