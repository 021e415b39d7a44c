import type { Diagnostic } from '../../model/diagnostics.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Policies, Quota, QuotaBreach, QuotaKey, QuotaLimit, QuotaRule } from '../../model/policy.ts';
import { boundsOf } from '../../model/replicas.ts';
import { endOfDay } from '../../model/times.ts';
import { atMost, plural } from '../../model/values/words.ts';
import type { ReadServer } from '../fields/normalize.ts';
import { childPath } from '../read/tree.ts';
import { isNamedBy, latestOf, type PolicyCase } from './policy.ts';
import type { PolicySubject } from './policy-rules.ts';

/** What servers of a project may take of the machine. */
export type ProjectUse = { readonly servers: number; readonly memoryMiB: number; readonly cpuCores: number };

/**
 * What these servers may take, each with as many containers as it may have at most; one that is not enabled does not run,
 * and counts as a server only.
 */
export function useOf(specs: readonly Pick<ReadServer, 'enabled' | 'limits' | 'replicas' | 'scale'>[]): ProjectUse {
  const running = specs.filter(({ enabled }) => enabled);
  const sum = (of: (limits: ReadServer['limits']) => number): number =>
    running.reduce((all, spec) => all + of(spec.limits) * boundsOf(spec).most, 0);
  return {
    servers: specs.length,
    memoryMiB: sum(({ memoryMiB }) => memoryMiB),
    // Of tenths of cores: 0.1 + 0.2 is 0.3.
    cpuCores: Math.round(sum(({ cpuCores }) => cpuCores) * 1000) / 1000,
  };
}

const quotaRules = {
  maxServers: 'max-servers',
  maxTotalMemoryMiB: 'max-total-memory-mb',
  maxTotalCpuCores: 'max-total-cpu-cores',
  callsPerDay: 'calls-per-day',
} as const satisfies Record<QuotaKey, QuotaRule>;

/** The lowest limit of each severity, an error before a warning. */
const lowest = (limits: readonly QuotaLimit[]): readonly QuotaLimit[] =>
  (['error', 'warning'] as const).flatMap(
    (asked) =>
      limits.filter(({ severity }) => severity === asked).toSorted((one, other) => one.limit - other.limit)[0] ?? [],
  );

/** What all policies allow a project at a time, with who says so; without what it is excepted from. */
export function quotaOf(policies: Policies, { project, now }: PolicyCase): Quota {
  const quota: { -readonly [K in QuotaKey]?: Quota[K] } = {};
  for (const { rules, file, lines } of policies) {
    for (const [pattern, limits] of Object.entries(rules.projects)) {
      const exception = latestOf(limits.exceptions.filter((one) => isNamedBy(project, one.project)));
      if (!isNamedBy(project, pattern) || (exception !== undefined && endOfDay(exception.until) > now)) continue;
      const ended = exception === undefined ? [] : [`its exception ended with ${exception.until}`];
      const why = [limits.reason ?? [], ended].flat().join('; ');
      for (const key of Object.keys(quotaRules) as QuotaKey[]) {
        const limit = limits[key];
        if (limit === undefined) continue;
        const line = lines[childPath('projects', pattern)];
        const from = line === undefined ? file : `${file}:${line}`;
        const severity = limits.severity === 'warn' ? 'warning' : 'error';
        const said = { limit, severity, from, ...(why === '' ? {} : { reason: why }) } as const;
        quota[key] = lowest([...(quota[key] ?? []), said]);
      }
    }
  }
  return quota;
}

/** Who says so, and why. */
export const sayQuota = ({ from, reason }: Pick<QuotaLimit, 'from' | 'reason'>): string =>
  reason === undefined ? from : `${from}: ${reason}`;

/** What a use is more than its quota allows, each once, as an error where it is one; `grows`: more than before. */
export function overQuota(
  project: ProjectName,
  quota: Quota,
  use: ProjectUse,
  before: ProjectUse = { servers: 0, memoryMiB: 0, cpuCores: 0 },
): readonly QuotaBreach[] {
  const parts = [
    ['maxServers', use.servers, before.servers, (n: number) => plural(n, 'server')],
    ['maxTotalMemoryMiB', use.memoryMiB, before.memoryMiB, (n: number) => `${n} MiB of memory`],
    ['maxTotalCpuCores', use.cpuCores, before.cpuCores, (n: number) => plural(n, 'CPU core')],
  ] as const;
  return parts.flatMap(([key, now, then, words]): readonly QuotaBreach[] => {
    const broken = quota[key]?.find(({ limit }) => now > limit);
    if (broken === undefined) return [];
    const message = `project ${project} would have ${words(now)} in all, ${atMost(broken.limit)}`;
    return [{ rule: quotaRules[key], message, grows: now > then, ...broken }];
  });
}

/** Quotas that the servers of files break by themselves, each told at the first server that is too much. */
export function checkQuotas(
  servers: readonly Required<PolicySubject>[],
  policies: Policies,
  at: PolicyCase,
): readonly Diagnostic[] {
  const { project } = at;
  const quota = quotaOf(policies, at);
  const whole = overQuota(project, quota, useOf(servers.map(({ spec }) => spec)));
  return whole.flatMap(({ rule, severity, message, from, reason }): readonly Diagnostic[] => {
    const isOver = (count: number): boolean =>
      overQuota(project, quota, useOf(servers.slice(0, count).map(({ spec }) => spec))).some(
        (one) => one.rule === rule && one.severity === severity,
      );
    const first = servers.find((_, index) => isOver(index + 1));
    if (first === undefined) return [];
    const { position, length } = first.locate('name');
    const hint = `${from} says so${reason === undefined ? '' : `: ${reason}`}`;
    return [{ severity, code: `policy-${rule}`, message, position, length, path: 'name', hint, related: [] }];
  });
}
