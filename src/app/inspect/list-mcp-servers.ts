import { type HealthRecord, type Standing, standingOf, type Verdict } from '../../model/health.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { ServerView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import type { Ports } from '../ports.ts';
import { readKept } from './read-kept.ts';
import { type ServerStatus, statusOf } from './server-status.ts';

/** A server as its clients see it. */
export type McpServer = Pick<
  ServerStatus,
  | 'name'
  | 'project'
  | 'engine'
  | 'state'
  | 'transport'
  | 'restarts'
  | 'engineHealth'
  | 'generation'
  | 'container'
  | 'ageMs'
> & {
  /** What the last look of this machine at this container found; null when nobody has looked. */
  readonly health: {
    readonly verdict: Verdict;
    readonly checkedAt: string;
    readonly about: Exclude<Standing, 'earlier-container'>;
  } | null;
  /** Tools behind the spec's filter, by that look. */
  readonly tools: number | null;
  /** Calls counted on this machine; null when its ledger cannot be read. */
  readonly executions: number | null;
};

type McpServerList = {
  readonly servers: readonly McpServer[];
  /** Things worth saying that are not about a server. */
  readonly notices: readonly Notice[];
};

/** What was last found about this container; what was found about an earlier one says nothing about it. */
function lastLook(found: HealthRecord | undefined, shown: ServerView): Pick<McpServer, 'health' | 'tools'> {
  const about = found === undefined ? 'earlier-container' : standingOf(found, shown);
  if (found === undefined || about === 'earlier-container') return { health: null, tools: null };
  return { health: { verdict: found.verdict, checkedAt: isoTime(found.checkedAt), about }, tools: found.tools };
}

async function listProject(ports: Ports, project: ProjectName): Promise<McpServerList> {
  const { servers, engine, now, notices } = await (await ports.orchestrator()).servers(project);
  const ids = servers.map(({ container }) => container);
  const { counts, health, notices: unknown } = await readKept(ports, ids, { engine: engine.id, project });
  return {
    servers: servers.map((view): McpServer => {
      const status = statusOf(view, now);
      const { name, state, transport, generation, container, ageMs, restarts, engineHealth } = status;
      return {
        name,
        project,
        ...defined({ engine: status.engine }),
        state,
        transport,
        restarts,
        engineHealth,
        ...lastLook(health.get(name), view),
        generation,
        container,
        ageMs,
        executions: counts === undefined ? null : (counts.get(container) ?? 0),
      };
    }),
    notices: [...unknown, ...notices],
  };
}

/** MCP servers of one project or all, sorted; asks none of them. An unreadable ledger is a notice. */
export async function listMcpServers(
  ports: Ports,
  request: { readonly project: ProjectName } | { readonly allProjects: true },
): Promise<McpServerList> {
  const projects = 'project' in request ? [request.project] : await (await ports.orchestrator()).projects();
  const lists: McpServerList[] = [];
  for (const project of projects) lists.push(await listProject(ports, project));
  return {
    servers: lists.flatMap(({ servers }) => servers),
    // The ledger is the same for all projects: what is wrong with it is said once.
    notices: [...new Map(lists.flatMap(({ notices }) => notices.map((one) => [one.message, one]))).values()],
  };
}
