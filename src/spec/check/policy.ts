import type { Diagnostic } from '../../model/diagnostics.ts';
import type { ProjectName } from '../../model/ids.ts';
import {
  noRules,
  type Policies,
  type Policy,
  type PolicyBreach,
  type PolicyException,
  type PolicyFile,
  type PolicyRule,
} from '../../model/policy.ts';
import { endOfDay } from '../../model/times.ts';
import type { FaultyServer } from '../load.ts';
import { checkRules, type PolicySubject } from './policy-rules.ts';

/** For whom and when policies are asked: exceptions are of servers of a project, and end. */
export type PolicyCase = {
  readonly project: ProjectName;
  /** Milliseconds since 1970. */
  readonly now: number;
};

/** What looms says where no file does (docs/policy.md). */
const ordinary: Policy = { ...noRules, forbidLatest: 'warn' };

/**
 * Checks servers against all policies that apply; breaches in the order of servers, then of policies, then of rules. Of
 * what one rule of several policies says of one value the strictest is told. Pure.
 */
export function checkPolicy(
  servers: readonly PolicySubject[],
  policies: Policies,
  at: PolicyCase,
): readonly PolicyBreach[] {
  const says = policies.some(({ rules }) => rules.forbidLatest !== undefined || rules.forbidUnpinned !== undefined);
  return servers.flatMap((server) =>
    strictest([
      ...policies.flatMap((policy) => checkRules(server, policy.rules).map((found) => held(found, policy, at))),
      ...(says ? [] : checkRules(server, ordinary)),
    ]),
  );
}

/** A rule by its key in a file. */
export const keyOf = (rule: PolicyRule): string => rule.replaceAll('-', '_');

/** A breach as its file wants it held: with its reason, its severity, and who is excepted. */
function held(breach: PolicyBreach, { file, lines, rules }: PolicyFile, at: PolicyCase): PolicyBreach {
  const key = keyOf(breach.rule);
  const line = lines[key];
  const { severity, reason, exceptions = [] } = rules.details[key] ?? {};
  const from = { file, ...(line === undefined ? {} : { line }), ...(reason === undefined ? {} : { reason }) };
  const asked = severity === 'warn' ? 'warning' : severity;
  return { ...breach, ...excepted(breach, asked ?? breach.severity, exceptions, at), from };
}

/** Whether a name is meant by one that has `*` for any part. */
export const isNamedBy = (name: string, pattern: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replaceAll(/[^a-z0-9-]/g, ''))
      .join('.*')}$`,
  ).test(name);

/** The one of these that lasts longest. */
export const latestOf = <T extends Pick<PolicyException, 'until'>>(exceptions: readonly T[]): T | undefined =>
  exceptions.toSorted((one, other) => endOfDay(other.until) - endOfDay(one.until))[0];

function excepted(
  { server, message }: PolicyBreach,
  severity: PolicyBreach['severity'],
  exceptions: readonly PolicyException[],
  { project, now }: PolicyCase,
): Pick<PolicyBreach, 'severity' | 'message'> {
  const latest = latestOf(
    exceptions.filter((one) => isNamedBy(server, one.server) && isNamedBy(project, one.project ?? '*')),
  );
  if (latest === undefined) return { severity, message };
  if (endOfDay(latest.until) <= now)
    return { severity, message: `${message} (its exception ended with ${latest.until})` };
  const why = latest.reason === undefined ? '' : `: ${latest.reason}`;
  return { severity: 'note', message: `${message} (excepted until ${latest.until}${why})` };
}

/** Without what another policy says of the same value at least as strictly: more severely, or with a lower ceiling. */
function strictest(breaches: readonly PolicyBreach[]): readonly PolicyBreach[] {
  const kept = new Map<string, PolicyBreach>();
  for (const breach of breaches) {
    const { rule, path, value, limit } = breach;
    // Lists of two policies have to be known both to write what both allow; of ceilings the lower one is enough.
    const key = JSON.stringify([rule, path, value, ...(rule.startsWith('max-') ? [] : [limit])]);
    const other = kept.get(key);
    if (other === undefined || isStricter(breach, other)) kept.set(key, breach);
  }
  return [...kept.values()];
}

const severities = ['note', 'warning', 'error'] as const;

const isStricter = (one: PolicyBreach, other: PolicyBreach): boolean =>
  one.severity === other.severity
    ? Number(one.limit) < Number(other.limit)
    : severities.indexOf(one.severity) > severities.indexOf(other.severity);

/** Breaches of a server with errors, by what is written alone: what is wrong has its default here. */
export function checkFaulty(server: FaultyServer, policies: Policies, at: PolicyCase): readonly PolicyBreach[] {
  return checkPolicy([server], policies, at).filter(
    ({ path }) =>
      !server.wrong.some((wrong) => isBelow(path, wrong) || (path.endsWith('.cap_drop') && isBelow(wrong, path))),
  );
}

/** Whether a path is another one or a part of it. */
const isBelow = (path: string, above: string): boolean =>
  path === above || (above !== '' && path.startsWith(above) && /^[.[]/.test(path.slice(above.length)));

/** Which file says so, and where; undefined for what looms says by itself. */
export const sourceOf = ({ from }: PolicyBreach): string | undefined =>
  from === undefined ? undefined : `${from.file}${from.line === undefined ? '' : `:${from.line}`}`;

/** What to write, and who says so. */
function policyHint(breach: PolicyBreach): Pick<Diagnostic, 'hint'> {
  const source = sourceOf(breach);
  const reason = breach.from?.reason === undefined ? '' : `: ${breach.from.reason}`;
  const parts = [
    ...(breach.hint === undefined ? [] : [breach.hint]),
    ...(source === undefined ? [] : [`${source} says so${reason}`]),
  ];
  return parts.length === 0 ? {} : { hint: parts.join('; ') };
}

/** A breach as a diagnostic; undefined without a file. It names no server, so that the same of many is one. */
export function breachDiagnostic(breach: PolicyBreach): Diagnostic | undefined {
  if (breach.place === undefined) return undefined;
  return {
    severity: breach.severity,
    code: `policy-${breach.rule}`,
    message: breach.message,
    ...breach.place,
    path: breach.path,
    ...policyHint(breach),
    related: [],
  };
}
