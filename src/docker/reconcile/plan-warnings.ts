import type { DeclaredServer } from '../../model/desired.ts';
import type { EngineTime } from '../../model/engine.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { age } from '../../model/times.ts';
import type { Observed, ObservedContainer } from '../model/observed.ts';

/** Which containers have labels of a project and are nobody's to looms: said once, or not at all. */
export function strangersNotices({ project, foreign }: Pick<Observed, 'project' | 'foreign'>): Notice[] {
  const names = foreign.flatMap(({ name, claims }) => (claims === true ? [name] : []));
  if (names.length === 0) return [];
  const [are, it, they] = names.length === 1 ? ['has', 'it', 'it is'] : ['have', 'them', 'they are'];
  const message = `${names.join(', ')} ${are} the labels of project ${project}, but looms did not make ${it}: ${they} left alone`;
  return [{ code: 'not-ours', message }];
}

/** A run that is younger may end as those before it did, ms; the engine waits at most a minute between two. */
const youngMs = 5 * 60_000;

/** What the engine says of a server that runs as declared, and is not well all the same. */
function troubleOf(
  { restartCount, state, engineHealth }: ObservedContainer,
  server: ServerName,
  now: EngineTime,
): PlanWarning[] {
  const warnings: PlanWarning[] = [];
  const runsMs = state.status === 'running' ? now - state.startedAt : undefined;
  if (restartCount > 0 && runsMs !== undefined && runsMs < youngMs) {
    const times = restartCount === 1 ? 'once' : `${restartCount} times`;
    const message = `the engine started it again ${times}, last ${age(runsMs)} ago: looms mcp logs ${server} may say why`;
    warnings.push({ code: 'restarts', server, message });
  }
  if (engineHealth === 'unhealthy') {
    const message = `the HEALTHCHECK of its image fails: looms mcp health ${server} asks it`;
    warnings.push({ code: 'engine-unhealthy', server, message });
  }
  return warnings;
}

/** What a plan says beside its changes: what was not asked, is not possible, or is left. `left` are in no file. */
export function planWarnings(
  servers: readonly DeclaredServer[],
  observed: Observed,
  left: readonly ServerName[],
): PlanWarning[] {
  const warnings: PlanWarning[] = [...strangersNotices(observed)];
  for (const server of servers) {
    const asked = observed.registry[server.image.ref];
    if (asked?.answer === 'unknown') {
      const message = `the registry was not asked for ${server.image.ref}: ${asked.why}; the local image is used`;
      warnings.push({ code: 'registry-unknown', server: server.spec.name, message });
    }
    const asks = server.spec.pullPolicy === 'always' || server.spec.lifecycle.rotateOnImageChange;
    if (server.image.kind === 'built' && asks) {
      const message = `no registry is asked for ${server.image.ref}, which is built here; another recipe or file makes another image`;
      warnings.push({ code: 'image-is-built', server: server.spec.name, message });
    }
    if (server.spec.network.mode === 'isolated' && !observed.engine.canHideHost) {
      const message = `${observed.engine.kind} cannot keep an isolated server from the engine's own host`;
      warnings.push({ code: 'host-reachable', server: server.spec.name, message });
    }
  }
  const declared = new Set(servers.map(({ spec }) => spec.name));
  for (const container of observed.containers) {
    const { role, server } = container;
    if (role === 'server' && server !== undefined && declared.has(server))
      warnings.push(...troubleOf(container, server, observed.now));
  }
  if (left.length > 0) {
    const message = `${left.join(', ')}: on the engine, but in none of the files; --prune removes what is not in the files`;
    warnings.push({ code: 'not-in-spec', message });
  }
  return warnings;
}
