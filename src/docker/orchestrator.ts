import { LoomsError } from '../model/errors.ts';
import type { ServerName } from '../model/ids.ts';
import { projectLock } from '../orchestrator/common/project-lock.ts';
import type { OrchestratorPorts, SingleOrchestrator } from '../orchestrator/port.ts';
import { slotsOf } from './model/generations.ts';
import type { Engine } from './port.ts';
import type { DockerPorts } from './ports.ts';
import { servingServer } from './views/serving.ts';

const runsOne = (server: ServerName): LoomsError =>
  new LoomsError('engine-unsupported', `an engine runs one container of ${server}, and scales none`, {
    hint: 'mcp_server.scale is for clusters',
  });

/** A Docker Engine's orchestrator, or Podman's. Planning and views are loaded when used: a call needs neither. */
export function dockerOrchestrator(engine: Engine, needs: OrchestratorPorts): SingleOrchestrator {
  const ports: DockerPorts = { ...needs, engine };
  return {
    describe: (options) => engine.describe(options),
    tryIsolation: async () => {
      const message = 'a Docker Engine keeps isolated servers in itself: nothing is to be tried';
      const hint = '`looms posture` shows what the servers that run reach';
      throw new LoomsError('engine-unsupported', message, { hint });
    },
    projects: (options) => engine.projects(options),
    plan: async (intent) => (await import('./plan/plan-intent.ts')).planIntent(ports, intent),
    apply: async (prepared, options) => (await import('./apply/apply-plan.ts')).applyPlan(ports, prepared, options),
    servers: async (project, { names, ...options } = {}) => {
      const { listingOf } = await import('./views/server-views.ts');
      const query = { project, images: [], checkRegistry: [], ...(names === undefined ? {} : { servers: names }) };
      return listingOf(await engine.observe(query, options), names);
    },
    imageOf: async (view) => (await import('./views/server-views.ts')).imageOf(engine, view),
    refusals: async (server) => (await import('./views/refusals.ts')).refusalsOf(engine, server),
    history: async (project, server) => {
      const { generationsOf } = await import('./views/generations.ts');
      return generationsOf(await engine.observe({ project, images: [], checkRegistry: [] }), project, server);
    },
    serving: (project, server, options) => servingServer(engine, project, server, options),
    scales: false,
    scale: async (_project, server) => {
      throw runsOne(server);
    },
    wake: async (_project, server) => {
      throw runsOne(server);
    },
    instances: async (project, options) =>
      [...slotsOf(await engine.locate(project, options))].flatMap(([server, located]) =>
        located.map((one) => ({ ...one, server })),
      ),
    usage: (project, options) => engine.usage(project, options),
    events: (project, query, hear, options) => engine.events(project, query, hear, options),
    watchServers: (project, hear, options) => engine.watchServers(project, hear, options),
    lock: projectLock(ports),
    sessions: engine,
    close: () => engine.close(),
  };
}
