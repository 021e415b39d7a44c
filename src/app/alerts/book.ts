import type {
  Alert,
  AlertBook,
  AlertEnd,
  AlertRule,
  FiringAlert,
  PendingAlert,
  ResolvedAlert,
} from '../../model/alerts.ts';
import type { ServerName } from '../../model/ids.ts';
import type { ServerToLoop } from '../watch/loop-record.ts';
import { advance, resolved } from './advance.ts';
import type { Reading } from './readings.ts';

/** What is owed to a receiver is gathered for so long, ms, so that what happens together is one message. */
export const groupMs = 30_000;

/** What a look at alerts is made of. `now` is ms since 1970. */
export type AlertLook = {
  readonly now: number;
  readonly rules: readonly AlertRule[];
  /** The servers that are declared; undefined where nothing is known of them. */
  readonly servers: ReadonlyMap<ServerName, ServerToLoop> | undefined;
  readonly readingOf: (rule: AlertRule, server: ServerToLoop) => Reading;
  /** Whether looms, or somebody with it, changes this server now. */
  readonly isChanging: (server: ServerName) => boolean;
};

const keyOf = (rule: string, server: ServerName): string => `${server} ${rule}`;

/** What becomes of an alert whose server is not there any more, is stopped, or whose rule was taken away. */
const given = (alert: PendingAlert | FiringAlert, now: number, why: AlertEnd): readonly Alert[] =>
  alert.state === 'firing' ? [resolved(alert, now, why)] : [];

/** The alerts of a project, a look later. Those that resolved stay until everybody was told (`forgetTold`). */
export function lookAtAlerts(book: AlertBook | undefined, look: AlertLook): readonly Alert[] {
  const { now, rules, servers, readingOf, isChanging } = look;
  const before = book?.alerts ?? [];
  if (servers === undefined) return before;
  const open = new Map(
    before.flatMap((alert) => (alert.state === 'resolved' ? [] : [[keyOf(alert.rule, alert.server), alert] as const])),
  );
  const after = before.filter(({ state }) => state === 'resolved');
  for (const rule of rules) {
    const names = rule.server === undefined ? [...servers.keys()] : [rule.server];
    for (const server of names) {
      const key = keyOf(rule.text, server);
      const alert = open.get(key);
      const seen = servers.get(server);
      open.delete(key);
      if (seen === undefined || seen.state === 'stopped') {
        const why = seen === undefined ? 'no-server' : 'stopped';
        if (alert !== undefined) after.push(...given(alert, now, why));
      } else if (seen.state === 'repairing' || isChanging(server)) {
        // What is seen of a server that is being replaced says nothing of either container.
        if (alert !== undefined) after.push({ ...alert, knownAt: now });
      } else {
        const next = advance(alert, { rule, server, reading: readingOf(rule, seen) }, now);
        if (next !== undefined) after.push(next);
      }
    }
  }
  const texts = new Set(rules.map(({ text }) => text));
  for (const alert of open.values()) after.push(...given(alert, now, texts.has(alert.rule) ? 'no-server' : 'no-rule'));
  return after;
}

/** Something that a receiver has to be told of an alert. */
export type Owed = {
  readonly alert: FiringAlert | ResolvedAlert;
  readonly isReminder: boolean;
  readonly since: number;
};

/** What a receiver has not been told yet, by its digest; reminders too, where it wants some. */
export const owedTo = (
  alerts: readonly Alert[],
  receiver: string,
  { remindMs, now }: { readonly remindMs: number | undefined; readonly now: number },
): readonly Owed[] =>
  alerts.flatMap((alert): Owed[] => {
    if (alert.state === 'pending') return [];
    const told = alert.told[receiver];
    const since = alert.state === 'resolved' ? alert.resolvedAt : alert.firedAt;
    if (told?.state !== alert.state) return [{ alert, isReminder: false, since }];
    if (alert.state !== 'firing' || remindMs === undefined) return [];
    const remindAt = told.at + remindMs;
    // A clock that was set back would put the reminder off for as long.
    return remindAt <= now || told.at > now ? [{ alert, isReminder: true, since: remindAt }] : [];
  });

/** Whether what is owed waited long enough for what may belong to it, or is of a time before the clock was set back. */
export const isDue = (owed: readonly Owed[], now: number): boolean =>
  owed.some(({ since }) => Math.abs(now - since) >= groupMs);

const firedAt = (alert: Alert): number | undefined => (alert.state === 'pending' ? undefined : alert.firedAt);

const isSame = (one: Alert, other: Alert): boolean =>
  one.rule === other.rule && one.server === other.server && firedAt(one) === firedAt(other);

/** The same alerts, of which a receiver was told these. */
export const withTold = (
  alerts: readonly Alert[],
  receiver: string,
  told: readonly Owed[],
  now: number,
): readonly Alert[] =>
  alerts.map((alert) => {
    const found = told.find((one) => isSame(one.alert, alert));
    if (found === undefined) return alert;
    return { ...alert, told: { ...alert.told, [receiver]: { state: found.alert.state, at: now } } };
  });

/** Without those that have resolved and that everybody was told of. */
export const forgetTold = (alerts: readonly Alert[], receivers: readonly string[]): readonly Alert[] =>
  alerts.filter(
    ({ state, told }) => state !== 'resolved' || receivers.some((receiver) => told[receiver]?.state !== 'resolved'),
  );

/** How many alerts that have resolved wait for receivers at most. */
const mostResolved = 1_000;

/** Without the oldest of those that resolved, where nobody takes them, and how many were dropped so. */
export function withinBound(alerts: readonly Alert[]): { readonly alerts: readonly Alert[]; readonly dropped: number } {
  const over = alerts.filter((alert) => alert.state === 'resolved').sort((a, b) => a.resolvedAt - b.resolvedAt);
  const dropped = new Set<Alert>(over.slice(0, Math.max(0, over.length - mostResolved)));
  return { alerts: alerts.filter((alert) => !dropped.has(alert)), dropped: dropped.size };
}

/** What began to fire and what resolved from one look to the next. */
export const turnedIn = (before: readonly Alert[], after: readonly Alert[]): readonly Alert[] =>
  after.filter(
    (alert) => alert.state !== 'pending' && !before.some((one) => isSame(one, alert) && one.state === alert.state),
  );
