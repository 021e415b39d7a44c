import { assertNever } from '../../../model/errors.ts';
import { endedAsTold } from '../../../model/health.ts';
import { shortId } from '../../../model/ids.ts';
import {
  type Blocker,
  type Change,
  type FieldDifference,
  isRotation,
  type NextRotation,
  type Plan,
  type PlannedImage,
  type Reason,
  type SupportChange,
} from '../../../model/plan.ts';
import { shownTime } from '../../../model/times.ts';
import { plural } from '../../../model/values/words.ts';
import { shortImage } from '../servers/servers.ts';
import { visible, visibleLines } from '../text.ts';

/** Why something changes, in words. Fields are listed apart. */
export function describeReason(reason: Reason): string {
  switch (reason.kind) {
    case 'spec-changed':
      return 'the spec changed';
    case 'live-drift':
      return 'changed outside looms';
    case 'image-changed':
      return 'its image changed';
    case 'secret-changed':
      return `${reason.variables.length === 1 ? 'a secret' : 'secrets'} changed: ${reason.variables.map(visible).join(', ')}`;
    case 'missing':
      return 'not there';
    case 'moved':
      return `moves from ${visible(reason.from)} to ${visible(reason.to)}`;
    case 'exited':
      if (reason.outOfMemory) return 'ran out of memory';
      return endedAsTold(reason.exitCode)
        ? `stopped (exit code ${reason.exitCode})`
        : `exited with code ${reason.exitCode}`;
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
      return `has ${plural(reason.ids.length, 'container')} too many`;
    case 'not-in-spec':
      return 'not in the spec';
    case 'requested':
      return reason.detail === undefined ? 'asked for' : visible(reason.detail);
    case 'interrupted-rotation':
      return 'an earlier replacement did not come to its end';
    case 'unreadable-record':
      return 'its record cannot be read';
    case 'other-program':
      return 'its program is not the one of this version of looms; connections through it end';
    case 'beyond-keep':
      return beyondKeep(reason.keep);
    case 'repeated':
      return `generation ${reason.generation} has the same spec and image`;
    default:
      return assertNever(reason);
  }
}

function beyondKeep(keep: number): string {
  if (keep === 0) return 'no history is kept';
  return `older than the ${keep === 1 ? 'one that is' : `${keep} that are`} kept`;
}

/** What stands in the way of a change, in words. */
export function describeBlocker(blocker: Blocker): string {
  switch (blocker.kind) {
    case 'name-taken':
      // Of a cluster: an object that no image tells, by its kind and name.
      if (blocker.image === '') return `${visible(blocker.name)} is there, which ${ownerText(blocker.owner)}`;
      return `the name ${visible(blocker.name)} is held by container ${shortId(blocker.id)} (${visible(blocker.image)}), which ${ownerText(blocker.owner)}`;
    case 'volume-taken':
      return `volume ${visible(blocker.name)} is there, and looms did not make it for this project`;
    case 'network-taken':
      return `network ${visible(blocker.name)}, and looms makes it otherwise`;
    case 'ending':
      return `${visible(blocker.name)} is being deleted`;
    case 'unsupported':
    case 'engine-silent':
      return visible(blocker.detail);
    default:
      return assertNever(blocker);
  }
}

const ownerText = (owner: string): string =>
  owner === 'unknown' ? 'looms did not make' : `belongs to ${visible(owner)}`;

/** What to do about a blocker; undefined when its own words say all there is to say. */
export const blockerHint = ({ hint }: Blocker): string | undefined => hint && visible(hint);

/** The reasons of a change; none for one that is unchanged or blocked. */
export const reasonsOf = (change: Change): readonly Reason[] => ('reasons' in change ? change.reasons : []);

/** The fields that a change brings from what is to what shall be; drift is not among them (`driftOf`). */
export const fieldsOf = (change: Change): readonly FieldDifference[] =>
  reasonsOf(change).flatMap((reason) => ('fields' in reason && reason.kind !== 'live-drift' ? [...reason.fields] : []));

/** The fields that somebody changed outside looms: `from` is what was found, `to` what was declared. */
export const driftOf = (change: Change): readonly FieldDifference[] =>
  reasonsOf(change).flatMap((reason) => (reason.kind === 'live-drift' ? [...reason.fields] : []));

/** A plan goes from what is to what shall be; drift is told as it happened: what somebody made of ours. */
export const asHappened = ({ from, to, ...field }: FieldDifference): FieldDifference => ({
  ...field,
  from: to,
  to: from,
});

/** The fields of one reason of what was done, in the direction in which each changed: drift as it happened. */
export const fieldsTold = (reason: Reason): readonly FieldDifference[] => {
  if (!('fields' in reason)) return [];
  return reason.kind === 'live-drift' ? reason.fields.map(asHappened) : reason.fields;
};

/** Both values of a field for people: nothing is `(none)`, and a network is connected or not. */
export function valuesOf({ path, from, to }: FieldDifference): { readonly from: string; readonly to: string } {
  // A network by its name on the engine, beside what a spec says of networks.
  const isNetwork = /^docker_backend\.network\.(?!(?:mode|egress)$)/.test(path);
  if (isNetwork && (from === 'none') !== (to === 'none')) {
    const text = (value: string) => (value === 'none' ? 'not connected' : 'connected');
    return { from: text(from), to: text(to) };
  }
  const text = (value: string) => visibleLines(value) || '(none)';
  return { from: text(from), to: text(to) };
}

/** Who set a field as it is, and when at the latest, behind its values: ` · kubectl-edit · ≤ 10:02`; '' where nobody knows. */
export const setByText = ({ setBy }: FieldDifference): string =>
  setBy === undefined
    ? ''
    : ` · ${[visible(setBy.manager), ...(setBy.at === undefined ? [] : [`≤ ${shownTime(setBy.at)}`])].join(' · ')}`;

/** Why something behind the servers changes, in one line. */
export const describeSupportReasons = ({ kind, action, reasons }: SupportChange): string =>
  reasons
    .map((reason) => {
      if (action === 'remove' && reason.kind === 'not-in-spec') {
        return kind === 'record' ? 'its server was deleted' : 'nothing on the engine uses it any more';
      }
      return kind === 'data' && action === 'restore' ? 'kept when the server was deleted' : describeReason(reason);
    })
    .join(', ');

const past = {
  create: 'created',
  replace: 'replaced',
  start: 'started',
  restore: 'restored',
  remove: 'removed',
} as const;

/** What is or was done behind the servers, counted: `1 network removed`, `2 images to remove`. */
export function describeSupport(plan: Plan, when: 'done' | 'to-do'): string[] {
  const counts = new Map<string, { kind: string; action: keyof typeof past; count: number }>();
  for (const { kind, action } of plan.support) {
    const key = `${kind} ${action}`;
    counts.set(key, { kind, action, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].map(({ kind, action, count }) => {
    const what = kind === 'data' ? `data of ${plural(count, 'server')}` : plural(count, kind);
    return `${what} ${when === 'done' ? past[action] : `to ${action}`}`;
  });
}

/** All that a plan does, counted: the servers, then what stands behind them, where that changes. */
export function describeTotals(plan: Plan): string {
  const behind = describeSupport(plan, 'to-do').join(', ');
  if (plan.changes.length === 0) return behind;
  const servers = describeCounts(plan);
  return behind === '' ? servers : `${servers}; behind them ${behind}`;
}

/** Images that are fetched or made for a plan, which takes most of its time. */
export const imageWorkOf = ({ images }: Plan): readonly PlannedImage[] =>
  images.map((image) => ({ ...image, ref: shortImage(image.ref) }));

/** Everything that makes a change, in one line. */
export const describeReasons = (change: Change): string => reasonsOf(change).map(describeReason).join(', ');

/** Words of each action in the counts; those of `seldom` are named only when there are any. */
const countWords: Readonly<Record<Change['action'], { readonly word: string; readonly seldom?: true }>> = {
  create: { word: 'to create' },
  replace: { word: 'to replace' },
  start: { word: 'to start', seldom: true },
  stop: { word: 'to stop', seldom: true },
  rename: { word: 'to rename', seldom: true },
  'clean-up': { word: 'to clean up', seldom: true },
  scale: { word: 'to scale', seldom: true },
  remove: { word: 'to remove' },
  blocked: { word: 'blocked', seldom: true },
  unchanged: { word: 'unchanged' },
};

/** How many servers each action concerns: `2 to create, 1 to replace, 0 to remove, 47 unchanged`. */
const describeCounts = ({ changes }: Plan): string =>
  Object.entries(countWords)
    .flatMap(([action, { word, seldom }]) => {
      const count = changes.filter((change) => change.action === action).length;
      return seldom && count === 0 ? [] : [`${count} ${word}`];
    })
    .join(', ');

/** `2 servers run as declared, 1 is disabled`: an engine that agrees. `disabled` names servers that are kept stopped. */
export function describeInSync(plan: Plan, disabled: ReadonlySet<string>): string {
  if (plan.changes.length === 0) {
    const others = plan.warnings.some(({ code }) => code === 'not-in-spec');
    return others ? 'Nothing is declared; what runs is in none of the files.' : 'Nothing is declared and nothing runs.';
  }
  const stopped = plan.changes.filter(({ server }) => disabled.has(server)).length;
  const running = plan.changes.length - stopped;
  const parts = [
    ...(running > 0 ? [`${plural(running, 'server')} ${running === 1 ? 'runs' : 'run'} as declared`] : []),
    ...(stopped > 0
      ? [`${running > 0 ? stopped : plural(stopped, 'server')} ${stopped === 1 ? 'is' : 'are'} disabled`]
      : []),
  ];
  return `In sync: ${parts.join(', ')}.`;
}

/** `fs on 2026-11-22 10:00 UTC`, `fs after 120 more calls`: the next rotation of a server. */
export const describeRotation = ({ server, at, callsLeft }: NextRotation): string =>
  `${server} ${[
    ...(at === undefined ? [] : [`on ${shownTime(at)}`]),
    ...(callsLeft === undefined ? [] : [`after ${plural(callsLeft, 'more call')}`]),
  ].join(' or ')}`;

/** Whether all that is to be done is to replace servers that have served their time. */
export const isRotationOnly = (plan: Plan): boolean =>
  plan.support.length === 0 &&
  plan.changes.every((change) => change.action === 'unchanged' || (change.action === 'replace' && isRotation(change)));
