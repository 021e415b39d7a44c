import type { AlertCondition, AlertMetric, AlertRule } from '../../model/alerts.ts';
import { throttledBetween } from '../../model/trail/usage.ts';
import { coresOf, isSameRun } from '../measure/between.ts';
import { type Point, sampleEveryMs } from '../measure/sampler.ts';
import type { ServerToLoop } from '../watch/loop-record.ts';

/** Which part of a threshold an alert has to come below before it is over, and how many calls a share needs. */
const clearPart = 0.95;
const leastCalls = 20;
/** Two measurements may be so far apart, ms, that one which failed between them does not matter. */
const gapMs = 2 * sampleEveryMs;

/** What an alert's condition is of one server now. */
export type Reading =
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'known';
      readonly isTrue: boolean;
      /** Whether it is so far from its threshold that an alert which fires may end. */
      readonly isClear: boolean;
      /** For people: `93 %`. */
      readonly value: string;
    };

/** Calls of a server that were sent and have ended, in a time. */
export type CallCount = { readonly all: number; readonly failed: number };

/** What is known of a server. */
export type Known = {
  /** On the monotonic clock, ms. */
  readonly now: number;
  /** Of the last hour, oldest first. */
  readonly points: readonly Point[];
  /** Undefined: the ledger cannot be read. */
  readonly calls: (overMs: number) => CallCount | undefined;
  readonly loop: ServerToLoop | undefined;
};

const unknown: Reading = { kind: 'unknown' };

const operators = {
  '>': (value: number, threshold: number) => value > threshold,
  '>=': (value: number, threshold: number) => value >= threshold,
  '<': (value: number, threshold: number) => value < threshold,
  '<=': (value: number, threshold: number) => value <= threshold,
} as const;

type NumberCondition = Extract<AlertCondition, { readonly kind: 'number' }>;

/** `90%`, `512 MiB`, `3`: at most one digit behind the point. */
function shown(value: number, unit: NumberCondition['unit']): string {
  const rounded = (of: number): string => String(Math.round(of * 10) / 10);
  if (unit === 'share') return `${rounded(value * 100)} %`;
  return unit === 'bytes' ? `${rounded(value / 1024 ** 2)} MiB` : rounded(value);
}

/** What is measured at one moment; undefined where it is not known, or there is no limit that it could be a share of. */
type Measure = (now: Point, before: Point | undefined, unit: NumberCondition['unit']) => number | undefined;

const inUnit = (value: number, unit: NumberCondition['unit'], limit: number | null): number | undefined =>
  unit === 'share' ? (limit === null ? undefined : value / limit) : value;

const measures: Readonly<Record<'memory' | 'cpu' | 'cpu.throttled' | 'processes', Measure>> = {
  memory: ({ sample, limits }, _, unit) => sample?.memoryBytes && inUnit(sample.memoryBytes, unit, limits.memoryBytes),
  processes: ({ sample, limits }, _, unit) =>
    sample?.processes == null ? undefined : inUnit(sample.processes, unit, limits.processes),
  cpu(now, before, unit) {
    const cores = coresOf(now, before);
    return cores === undefined ? undefined : inUnit(cores, unit, now.limits.cpuCores);
  },
  'cpu.throttled'(now, before) {
    if (!isSameRun(now, before) || now.sample === null || before.sample === null) return undefined;
    const share = throttledBetween(now.sample, before.sample);
    // Where nothing ran nothing was held up.
    return share === null ? 0 : share;
  },
};

/** The mean of what was measured in a time; undefined where that was not measured as a whole. */
function meanOver(
  measure: Measure,
  { points, now }: Pick<Known, 'points' | 'now'>,
  { unit, overMs = 0 }: NumberCondition,
): number | undefined {
  const last = points.at(-1);
  if (last === undefined || now - last.at > gapMs) return undefined;
  if (overMs === 0) return measure(last, points.at(-2), unit);
  const from = now - overMs;
  const inTime = points
    .map((point, index) => ({ point, before: points[index - 1] }))
    .filter(({ point }) => point.at >= from);
  const first = inTime[0]?.point;
  if (first === undefined || first.at - from > gapMs) return undefined;
  const values = inTime.flatMap(({ point, before }) => measure(point, before, unit) ?? []);
  // A container that was replaced meanwhile, or a first measurement, has no difference to the one before.
  if (values.length * 2 < inTime.length) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How often something happened in a time, and whether that time was watched as a whole. */
function countOver(
  metric: 'oom' | 'restarts',
  { points, now }: Pick<Known, 'points' | 'now'>,
  overMs: number,
): { readonly count: number; readonly isWhole: boolean } | undefined {
  const last = points.at(-1);
  if (last === undefined || now - last.at > gapMs) return undefined;
  const from = now - overMs;
  const first = points.findIndex(({ at }) => at >= from);
  // From the measurement before, so that what happened since is in it.
  const inTime = points.slice(Math.max(0, first - 1));
  let count = 0;
  for (const [index, point] of inTime.entries()) {
    const before = inTime[index - 1];
    if (before === undefined) continue;
    if (metric === 'oom') count += point.oomKills - before.oomKills;
    else if (before.container === point.container) count += Math.max(0, point.restarts - before.restarts);
    else count += point.restarts;
  }
  return { count, isWhole: (points[0]?.at ?? now) - from <= gapMs };
}

function compared(value: number, when: NumberCondition): Reading {
  const { operator, threshold, unit } = when;
  const isTrue = operators[operator](value, threshold);
  const isClear = operator.startsWith('>') ? value <= threshold * clearPart : value * clearPart >= threshold;
  return { kind: 'known', isTrue, isClear: !isTrue && isClear, value: shown(value, unit) };
}

function numberReading(when: NumberCondition, known: Known): Reading {
  const { metric, overMs = 0, unit } = when;
  switch (metric) {
    case 'memory':
    case 'cpu':
    case 'cpu.throttled':
    case 'processes': {
      const value = meanOver(measures[metric], known, when);
      return value === undefined ? unknown : compared(value, when);
    }
    case 'oom':
    case 'restarts': {
      const found = countOver(metric, known, overMs);
      if (found === undefined) return unknown;
      const reading = compared(found.count, when);
      // More may have happened before it was watched: too few says nothing then.
      const says = found.isWhole || (reading.kind === 'known' && reading.isTrue && when.operator.startsWith('>'));
      return says ? reading : unknown;
    }
    case 'calls':
    case 'calls.errors':
      return callsReading(metric, unit, known.calls(overMs), when);
    default:
      return metric satisfies never;
  }
}

function callsReading(
  metric: Extract<AlertMetric, `calls${string}`>,
  unit: NumberCondition['unit'],
  calls: CallCount | undefined,
  when: NumberCondition,
): Reading {
  if (calls === undefined) return unknown;
  if (metric === 'calls') return compared(calls.all, when);
  if (unit === 'plain') return compared(calls.failed, when);
  return calls.all < leastCalls ? unknown : compared(calls.failed / calls.all, when);
}

/** What a rule's condition is of a server, by what is known of it. */
export function readingOf({ when }: Pick<AlertRule, 'when'>, known: Known): Reading {
  if (when.kind === 'number') return numberReading(when, known);
  const { loop } = known;
  if (loop === undefined) return unknown;
  if (when.kind === 'drift') {
    const { drift } = loop;
    if (drift === 'unknown') return unknown;
    const isTrue = drift.length > 0;
    return { kind: 'known', isTrue, isClear: !isTrue, value: isTrue ? drift.join(', ') : 'as declared' };
  }
  if (loop.state === 'unknown') return unknown;
  const isTrue = when.is === 'down' ? loop.isDown : loop.state === when.is;
  return { kind: 'known', isTrue, isClear: !isTrue, value: loop.isDown ? 'down' : loop.state };
}
