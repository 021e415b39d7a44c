import { type AlertReceiver, type AlertRule, type AlertSettings, usualAlertSecret } from '../model/alerts.ts';
import type { EnvValue } from '../model/desired.ts';
import { duration } from '../model/times.ts';
import { defined } from '../model/values/defined.ts';
import { parseSeconds } from '../model/values/moment.ts';
import { readAlertRule } from './alert-rule.ts';
import type { ProjectInput } from './generated/validators.mjs';
import type { Reader } from './read/reader.ts';
import type { Located } from './read/settings.ts';
import { childPath } from './read/tree.ts';

/** Which texts of a looms.yaml are references to secrets, for alerts: where messages go, and what signs them. */
export const isAlertSecret = (path: string): boolean => /^alert_to(?:\[\d+\])?\.(?:url|secret)$/.test(path);

/** Rules of one file, and the least time between reminders, ms. */
const mostRules = 100;
const leastRemindMs = 60_000;

/** `alerts` and `alert_to` of a `looms.yaml`; undefined where there is neither. */
export function alertsOf(located: Located, input: ProjectInput): AlertSettings | undefined {
  const { alerts, alert_to: to } = input;
  if (alerts === undefined && to === undefined) return undefined;
  const isList = Array.isArray(to);
  const receivers = (isList ? to : to === undefined ? [] : [to]) as readonly ReceiverInput[];
  const rules = rulesOf(located, alerts ?? []);
  if (receivers.length > 0 && alerts === undefined) {
    located.reader.report({
      code: 'no-effect',
      path: 'alert_to',
      onKey: true,
      message: 'alert_to has no effect without alerts',
      hint: 'write what to be told of: alerts: [health is down for 2m]',
    });
  }
  return {
    rules,
    receivers: receivers.flatMap((one, index) =>
      receiverOf(located.reader, isList ? childPath('alert_to', index) : 'alert_to', one),
    ),
  };
}

type RuleInput = NonNullable<ProjectInput['alerts']>[number];
type ReceiverInput = {
  readonly url?: string;
  readonly secret?: string;
  readonly unsigned?: boolean;
  readonly remind?: string;
};

/** `- fs: memory > 90%` is a map to YAML. */
const writtenAs = (rule: RuleInput): string =>
  typeof rule === 'string'
    ? rule
    : Object.entries(rule)
        .map(([server, said]) => `${server}: ${said}`)
        .join(', ');

function rulesOf({ reader, placeOf }: Located, written: readonly RuleInput[]): readonly AlertRule[] {
  const seen = new Map<string, string>();
  if (written.length > mostRules) {
    reader.report({
      code: 'too-many',
      path: 'alerts',
      message: `alerts: at most ${mostRules} rules, got ${written.length}`,
    });
    return [];
  }
  return written.flatMap((rule, index) => {
    const path = childPath('alerts', index);
    const read = readAlertRule(writtenAs(rule));
    if ('problem' in read) {
      reader.report({ code: 'invalid-alert', path, message: `alerts: ${read.problem}`, hint: read.hint });
      return [];
    }
    const before = seen.get(read.text);
    if (before !== undefined) {
      reader.report({
        code: 'conflict',
        path,
        message: `the alert "${read.text}" is given twice`,
        related: [{ path: before, message: 'first here' }],
      });
      return [];
    }
    seen.set(read.text, path);
    return [{ ...read, ...placeOf(path) }];
  });
}

function receiverOf(reader: Reader, path: string, input: ReceiverInput): readonly AlertReceiver[] {
  const url = reader.variable(`${path}.url`);
  if (url === undefined) return [];
  const literal = url.kind === 'literal' ? url.value : undefined;
  if (literal !== undefined && !isHttp(literal)) {
    reader.report({
      code: 'invalid-value',
      path: `${path}.url`,
      message: 'url: expected an address such as https://hooks.example.com/looms',
      hint: 'write https://…, or a secret that holds it: ${secret:NAME}',
    });
  }
  const seconds = input.remind === undefined ? undefined : parseSeconds(input.remind);
  const remindMs = seconds === undefined ? undefined : seconds * 1000;
  if (input.remind !== undefined && (remindMs === undefined || remindMs < leastRemindMs)) {
    reader.report({
      code: 'invalid-value',
      path: `${path}.remind`,
      message: `remind: expected a time of at least ${duration(leastRemindMs)}, got ${input.remind}`,
      hint: 'write it as 4h',
    });
  }
  return [{ url, secret: secretOf(reader, path, input), ...defined({ remindMs }) }];
}

const isHttp = (text: string): boolean => /^https?:\/\//i.test(text) && URL.canParse(text);

/** What signs messages: a secret, and never a text of the file. */
function secretOf(reader: Reader, path: string, { unsigned = false }: ReceiverInput): AlertReceiver['secret'] {
  const written: EnvValue | undefined = reader.variable(`${path}.secret`);
  if (written !== undefined && unsigned) {
    reader.report({
      code: 'conflict',
      path: `${path}.unsigned`,
      onKey: true,
      message: 'unsigned and secret exclude each other',
      hint: 'keep one of them',
      related: [{ path: `${path}.secret`, message: 'secret is here' }],
    });
  }
  if (written?.kind === 'literal') {
    reader.report({
      code: 'invalid-value',
      path: `${path}.secret`,
      message: 'secret: what signs messages must not stand in this file',
      hint: 'write ${secret:NAME}, and `looms config set-key NAME`',
    });
  }
  if (unsigned) return null;
  return written ?? { kind: 'secret', parts: [{ from: 'provider', name: usualAlertSecret }] };
}
