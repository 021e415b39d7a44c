import type { AuditRequest } from '../app/inspect/read-audit.ts';
import { seenResults } from '../model/audit.ts';
import { isoMoment, parseMoment } from './moment.ts';
import type { ProjectChoice } from './project.ts';

type AuditFlagValues = {
  readonly server?: readonly string[] | undefined;
  readonly tool?: readonly string[] | undefined;
  readonly result?: readonly string[] | undefined;
  readonly who?: readonly string[] | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly 'all-projects'?: boolean | undefined;
};

/**
 * What the flags of `audit` ask for. The trail is the machine's: a project narrows it only when somebody named one.
 * `now` is ms since 1970. Throws `usage` for a moment that is none.
 */
export function auditRequest(flags: AuditFlagValues, project: ProjectChoice, now: number): AuditRequest {
  const { server, tool, result, who, since, until } = flags;
  return {
    ...(project.explicit && flags['all-projects'] !== true ? { project: project.name } : {}),
    ...(server === undefined ? {} : { servers: server }),
    ...(tool === undefined ? {} : { tools: tool }),
    ...(who === undefined ? {} : { who }),
    ...(result === undefined ? {} : { results: seenResults.filter((one) => result.includes(one)) }),
    ...(since === undefined ? {} : { since: isoMoment(parseMoment(since, '--since'), now) }),
    ...(until === undefined ? {} : { until: isoMoment(parseMoment(until, '--until'), now) }),
  };
}
