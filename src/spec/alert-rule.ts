import {
  type AlertCondition,
  type AlertMetric,
  type AlertRule,
  type AlertUnit,
  alertHealth,
  alertMetrics,
  alertOperators,
} from '../model/alerts.ts';
import { asServerName, namePattern } from '../model/ids.ts';
import { duration } from '../model/times.ts';
import { defined } from '../model/values/defined.ts';
import { parseSeconds } from '../model/values/moment.ts';
import { nearest } from '../model/values/nearest.ts';

/** Why a rule cannot be read, and what to write instead. */
export type RuleProblem = { readonly problem: string; readonly hint: string };

type ReadRule = Omit<AlertRule, 'position' | 'length'>;

/** Bounds of a time that is counted over, ms: measurements are 15 s apart and kept for an hour. And of `for`. */
const shortestOver = 60_000;
const longestOver = 3_600_000;
const longestFor = 7 * 86_400_000;

const grammar =
  '[server:] metric > value [over D] [for D], [server:] health is STATE [for D] or [server:] drift [for D]';
const metricNames = Object.keys(alertMetrics);
const isMetric = (word: string): word is AlertMetric => Object.hasOwn(alertMetrics, word);
const isOneOf = <T extends string>(words: readonly T[], word: string | undefined): word is T =>
  words.some((one) => one === word);

const units: readonly (readonly [form: RegExp, unit: AlertUnit, times: number])[] = [
  [/^(\d+(?:\.\d+)?)%$/, 'share', 0.01],
  [/^(\d+(?:\.\d+)?)KiB$/, 'bytes', 1024],
  [/^(\d+(?:\.\d+)?)MiB$/, 'bytes', 1024 ** 2],
  [/^(\d+(?:\.\d+)?)GiB$/, 'bytes', 1024 ** 3],
  [/^(\d+(?:\.\d+)?)$/, 'plain', 1],
];

const unitWords: Readonly<Record<AlertUnit, string>> = {
  share: 'a percentage such as 90%',
  bytes: 'a size such as 512MiB',
  plain: 'a number',
};

/** A value with its unit; undefined for another text. */
function quantityOf(word: string): { readonly unit: AlertUnit; readonly value: number } | undefined {
  for (const [form, unit, times] of units) {
    const digits = form.exec(word)?.[1];
    if (digits !== undefined) return { unit, value: Number(digits) * times };
  }
  return undefined;
}

/** `over D` and `for D` at the end of a rule, in this order, each once. */
function timesOf(words: readonly string[]): { readonly overMs?: number; readonly forMs: number } | RuleProblem {
  const found: { over?: number; for?: number } = {};
  for (let at = 0; at < words.length; at += 2) {
    const [word = '', written = ''] = words.slice(at, at + 2);
    if (
      (word !== 'over' && word !== 'for') ||
      found[word] !== undefined ||
      (word === 'over' && found.for !== undefined)
    ) {
      return { problem: `"${words.slice(at).join(' ')}" is no end of a rule`, hint: `write ${grammar}` };
    }
    const span = (parseSeconds(written) ?? Number.NaN) * 1000;
    const [least, most] = word === 'over' ? [shortestOver, longestOver] : [0, longestFor];
    if (!(span >= least && span <= most)) {
      const bounds = `${word === 'over' ? `${duration(least)} to ` : 'at most '}${duration(most)}`;
      return {
        problem: `${word} ${written}: expected ${bounds}`,
        hint: `write it as ${word} 10m or ${word} 1h`,
      };
    }
    found[word] = span;
  }
  return { ...defined({ overMs: found.over }), forMs: found.for ?? 0 };
}

function numberOf(
  metric: AlertMetric,
  [operator, written = '', ...rest]: readonly string[],
): { readonly when: AlertCondition; readonly forMs: number } | RuleProblem {
  const { units: taken, over, example } = alertMetrics[metric];
  if (!isOneOf(alertOperators, operator)) {
    return { problem: `${metric} is compared by one of ${alertOperators.join(', ')}`, hint: `write it as ${example}` };
  }
  const found = quantityOf(written);
  const isTaken = found !== undefined && taken.some((unit) => unit === found.unit);
  if (!isTaken) {
    const words = taken.map((unit) => unitWords[unit]).join(' or ');
    return {
      problem: `${metric} is compared with ${words}${written === '' ? '' : `, not with ${written}`}`,
      hint: `write it as ${example}`,
    };
  }
  const times = timesOf(rest);
  if ('problem' in times) return times;
  const { overMs, forMs } = times;
  if (over === 'must' && overMs === undefined) {
    return { problem: `${metric} is counted over a time`, hint: `write it as ${example}` };
  }
  const when = { kind: 'number', metric, operator, threshold: found.value, unit: found.unit } as const;
  return { when: { ...when, ...defined({ overMs }) }, forMs };
}

/** What a rule without its server says. */
function conditionOf(
  words: readonly string[],
): { readonly when: AlertCondition; readonly forMs: number } | RuleProblem {
  const [subject = '', ...rest] = words;
  if (isMetric(subject)) return numberOf(subject, rest);
  if (subject !== 'drift' && subject !== 'health') {
    const known = [...metricNames, 'health', 'drift'];
    const meant = nearest(subject, known);
    return {
      problem: subject === '' ? 'a rule says nothing' : `there is no metric ${subject}`,
      hint: meant === undefined ? `metrics: ${known.join(', ')}` : `did you mean ${meant}?`,
    };
  }
  const [is, state, ...after] = rest;
  if (subject === 'health' && (is !== 'is' || !isOneOf(alertHealth, state))) {
    const meant = state === undefined ? undefined : nearest(state, alertHealth);
    return {
      problem: `health is compared as: health is one of ${alertHealth.join(', ')}`,
      hint: `write it as health is ${meant ?? 'down'} for 2m`,
    };
  }
  const times = timesOf(subject === 'health' ? after : rest);
  if ('problem' in times) return times;
  if (times.overMs !== undefined) {
    return { problem: `${subject} is not counted over a time`, hint: 'write for D: how long it has to be so' };
  }
  const when: AlertCondition =
    subject === 'health' && isOneOf(alertHealth, state) ? { kind: 'health', is: state } : { kind: 'drift' };
  return { when, forMs: times.forMs };
}

/** A rule with its units written as a rule has them: `90 %` as 90%, `5 minutes` as 5m. */
const inUnits = (rule: string): string =>
  rule.replaceAll(/(\d)\s+(%|[KMG]iB\b)/g, '$1$2').replaceAll(/(\d)\s*([smhd])[a-z]*\b/g, '$1$2');

/** Reads a rule: `[server:] metric op value [over D] [for D]` (docs/spec.md, "alerts"). */
export function readAlertRule(written: string): ReadRule | RuleProblem {
  const read = readExactly(written);
  if (!('problem' in read) || inUnits(written) === written) return read;
  const meant = readExactly(inUnits(written));
  return 'problem' in meant ? read : { problem: read.problem, hint: `write ${meant.text}` };
}

function readExactly(written: string): ReadRule | RuleProblem {
  const [, name, body = ''] = /^\s*(?:([^\s:]+)\s*:)?(.*)$/s.exec(written) ?? [];
  if (name !== undefined && !namePattern.test(name)) {
    return { problem: `${name} cannot be the name of a server`, hint: `write ${grammar}` };
  }
  const words = body
    .replace(/\s*(>=|<=|>|<)\s*/g, ' $1 ')
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  const read = conditionOf(words);
  if ('problem' in read) return read;
  const text = `${name === undefined ? '' : `${name}: `}${words.join(' ')}`;
  return { text, ...(name === undefined ? {} : { server: asServerName(name) }), ...read };
}
