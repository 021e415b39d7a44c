import type { EnvValue } from './desired.ts';
import type { Position } from './diagnostics.ts';
import type { HealthPlace } from './health.ts';
import type { ServerName } from './ids.ts';

/** How a number of an alert is written: a part of a limit or of a whole (0.9 for `90%`), bytes, or as it is. */
export type AlertUnit = 'share' | 'bytes' | 'plain';

/** What an alert may be about, in which units it is compared, and whether it is counted over a time. */
export const alertMetrics = {
  memory: { units: ['share', 'bytes'], over: 'may', example: 'memory > 90% for 5m' },
  cpu: { units: ['share', 'plain'], over: 'may', example: 'cpu > 90% over 5m' },
  'cpu.throttled': { units: ['share'], over: 'may', example: 'cpu.throttled > 25% over 5m' },
  processes: { units: ['share', 'plain'], over: 'may', example: 'processes > 80% for 5m' },
  oom: { units: ['plain'], over: 'must', example: 'oom > 0 over 1h' },
  restarts: { units: ['plain'], over: 'must', example: 'restarts > 3 over 10m' },
  calls: { units: ['plain'], over: 'must', example: 'calls > 1000 over 5m' },
  'calls.errors': { units: ['share', 'plain'], over: 'must', example: 'calls.errors > 5% over 10m' },
} as const satisfies Readonly<
  Record<string, { readonly units: readonly AlertUnit[]; readonly over: 'may' | 'must'; readonly example: string }>
>;

export type AlertMetric = keyof typeof alertMetrics;

/** States of a server's health that an alert may be about (docs/commands.md, "What a loop tells of itself"). */
export const alertHealth = ['slow', 'failing', 'down', 'waiting', 'blocked'] as const;
export type AlertHealth = (typeof alertHealth)[number];

export const alertOperators = ['>', '>=', '<', '<='] as const;

/** When an alert is true of a server. */
export type AlertCondition =
  | {
      readonly kind: 'number';
      readonly metric: AlertMetric;
      readonly operator: (typeof alertOperators)[number];
      readonly threshold: number;
      readonly unit: AlertUnit;
      /** What the number is of, ms; absent: of now. */
      readonly overMs?: number;
    }
  | { readonly kind: 'health'; readonly is: AlertHealth }
  | { readonly kind: 'drift' };

/** A line of `alerts` in looms.yaml. */
export type AlertRule = {
  /** As it is written, each word one space apart: what the alert is called. */
  readonly text: string;
  /** Absent: each server of the project. */
  readonly server?: ServerName;
  readonly when: AlertCondition;
  /** How long it has to be true until the alert fires, ms. */
  readonly forMs: number;
  readonly position: Position;
  /** Of its text in the file. */
  readonly length: number;
};

/** Who is told of alerts: an entry of `alert_to`. */
export type AlertReceiver = {
  readonly url: EnvValue;
  /** What messages are signed with; null: the file says that they are not signed. */
  readonly secret: EnvValue | null;
  /** After which time a firing alert is told once more, ms; absent: never. */
  readonly remindMs?: number;
};

/** `alerts` and `alert_to` of a looms.yaml. */
export type AlertSettings = { readonly rules: readonly AlertRule[]; readonly receivers: readonly AlertReceiver[] };

export const noAlerts: AlertSettings = { rules: [], receivers: [] };

/** The name of the secret that messages are signed with where no other is named. */
export const usualAlertSecret = 'looms-alerts';

/** Why an alert resolved where it was not by its number. */
export const alertEnds = ['stopped', 'no-server', 'no-rule'] as const;
export type AlertEnd = (typeof alertEnds)[number];

/** The same for people. */
export const alertEndWords: Readonly<Record<AlertEnd, string>> = {
  stopped: 'it was stopped',
  'no-server': 'it is not declared any more',
  'no-rule': 'the alert is not in looms.yaml any more',
};

/** What is known of an alert whatever became of it. Moments are ms since 1970. */
type SeenAlert = {
  readonly rule: string;
  readonly server: ServerName;
  /** Since when it is true. */
  readonly since: number;
  /** What it was when it was last known, for people: `93 %`. */
  readonly value: string;
  /** When it was last known. */
  readonly knownAt: number;
  /** What receivers were told last, and when, by their digests. */
  readonly told: Readonly<Record<string, { readonly state: 'firing' | 'resolved'; readonly at: number }>>;
};
export type PendingAlert = SeenAlert & { readonly state: 'pending' };
export type FiringAlert = SeenAlert & {
  readonly state: 'firing';
  readonly firedAt: number;
  /** Since when it is below 95 % of its threshold. */
  readonly clearSince?: number;
};
export type ResolvedAlert = SeenAlert & {
  readonly state: 'resolved';
  readonly firedAt: number;
  readonly resolvedAt: number;
  /** Absent: by its number. */
  readonly why?: AlertEnd;
};

/** An alert that is not calm. */
export type Alert = PendingAlert | FiringAlert | ResolvedAlert;

/** That an alert began to fire, or resolved. */
export type AlertTurn = Pick<Alert, 'rule' | 'server' | 'value'> & {
  readonly state: 'firing' | 'resolved';
  /** ms since 1970. */
  readonly time: number;
  /** Why it resolved where it was not by its number. */
  readonly why?: AlertEnd;
};

/** The alerts of a project as they are kept between looks, and between programs. */
export type AlertBook = {
  /** When a loop last looked at them, ms since 1970. */
  readonly at: number;
  readonly alerts: readonly Alert[];
  /** Which receivers are told now, by whom, and until when others leave that alone, ms since 1970. */
  readonly tellers?: readonly { readonly receiver: string; readonly id: string; readonly until: number }[];
};

/** Keeps the alerts of projects, by the engine's own id and the project's name. */
export type AlertKeeper = {
  /** Undefined where no loop ever looked. Throws `ledger-unreadable`. */
  readonly readAlerts: (at: HealthPlace) => Promise<AlertBook | undefined>;
  /**
   * Changes what is kept, alone among all programs; `undefined` leaves it. What is kept then comes back. Throws
   * `ledger-unreadable`, and what `change` throws.
   */
  readonly changeAlerts: (
    at: HealthPlace,
    change: (book: AlertBook | undefined) => AlertBook | undefined,
  ) => Promise<AlertBook | undefined>;
};
