import type { ProjectName } from '../../model/ids.ts';
import { type Notice, silentNotices } from '../../model/notices.ts';
import type { Policies, Quota, QuotaKey } from '../../model/policy.ts';
import { startOfDay } from '../../model/times.ts';
import { type ProjectUse, quotaOf, useOf } from '../../spec/check/quotas.ts';
import type { Ports } from '../ports.ts';
import { type ServerStatus, statusOf } from './server-status.ts';

/** What a project takes, beside what policies allow it. */
export type UsedQuota = {
  readonly project: ProjectName;
  /** What the recorded specs of its servers ask for. */
  readonly use: ProjectUse & {
    /** Calls that this machine sent since midnight (UTC); null when its trail cannot be read. */
    readonly callsToday: number | null;
  };
  /** The least that policies allow or warn beyond; what none limits is absent. */
  readonly quota: { readonly [K in QuotaKey]?: number };
};

export type AllProjects = {
  /** Sorted by project and name. */
  readonly servers: readonly ServerStatus[];
  /** Sorted by name. */
  readonly projects: readonly UsedQuota[];
};

const limitsIn = (quota: Quota): UsedQuota['quota'] =>
  Object.fromEntries(Object.entries(quota).map(([key, said]) => [key, Math.min(...said.map(({ limit }) => limit))]));

/** The servers of all projects on the engine, and what each project takes of its quota. Throws what the engine throws. */
export async function getAllProjects(
  ports: Ports,
  policies: Policies,
): Promise<{ readonly all: AllProjects; readonly notices: readonly Notice[] }> {
  const orchestrator = await ports.orchestrator();
  const since = startOfDay(ports.now());
  const all = await Promise.all(
    (await orchestrator.projects()).map(async (project) => {
      const { servers, now, notices } = await orchestrator.servers(project);
      // What is wrong with the trail is said by `looms audit`; the engine's answer stands without it.
      const callsToday = await ports.auditReader.countCalls({ project, backTo: since }).catch(() => null);
      // As a plan counts: what runs, or wakes by itself, takes something, whatever is declared of it.
      const specs = servers.flatMap(({ recorded, state, status: { status } }) => {
        const enabled = status === 'running' || status === 'restarting' || state === 'asleep';
        return recorded === undefined ? [] : [{ ...recorded.spec, enabled }];
      });
      const quota = limitsIn(quotaOf(policies, { project, now: ports.now() }));
      return {
        servers: servers.map((view) => statusOf(view, now)),
        notices,
        used: { project, use: { ...useOf(specs), callsToday }, quota },
      };
    }),
  );
  // Where there is no project that is known, no list says which engine is silent.
  const notices = all.length === 0 ? silentNotices(await orchestrator.describe()) : all.flatMap((one) => one.notices);
  return {
    all: { servers: all.flatMap(({ servers }) => servers), projects: all.map(({ used }) => used) },
    notices: [...new Map(notices.map((one) => [one.message, one])).values()],
  };
}
