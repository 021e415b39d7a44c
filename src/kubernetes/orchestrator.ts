import { LoomsError } from '../model/errors.ts';
import type { ProjectName } from '../model/ids.ts';
import { projectLock } from '../orchestrator/common/project-lock.ts';
import type { OrchestratorPorts, SingleOrchestrator } from '../orchestrator/port.ts';
import type { CallOptions, SessionHost } from '../orchestrator/session-host.ts';
import { leases } from './lock/leases.ts';
import { clusterNow, describeCluster } from './observe/describe.ts';
import { observe, projectsOf } from './observe/observe.ts';
import type { Cluster } from './port.ts';
import type { KubernetesPorts, KubernetesSettings } from './ports.ts';
import { servingServer } from './views/serving.ts';

/** A cluster's orchestrator. Planning and views are loaded when used: a call needs neither. */
export function kubernetesOrchestrator(
  cluster: Cluster,
  sessions: SessionHost,
  needs: OrchestratorPorts,
  settings: KubernetesSettings,
): SingleOrchestrator {
  const ports: KubernetesPorts = { ...needs, cluster, sessions, settings };
  const look = (project: ProjectName, options?: CallOptions) =>
    observe(cluster, project, settings.records, { ...options, isShown: true });
  return {
    describe: (options) => describeCluster(cluster, options),
    tryIsolation: async (options) => (await import('./probe/try-isolation.ts')).tryIsolation(ports, options),
    projects: (options) => projectsOf(cluster, options),
    plan: async (intent) => (await import('./plan/plan-intent.ts')).planIntent(ports, intent),
    apply: async (prepared, options) => (await import('./apply/apply-plan.ts')).applyPlan(ports, prepared, options),
    servers: async (project, { names, ...options } = {}) => {
      const { listingOf } = await import('./views/server-views.ts');
      return listingOf(await look(project, options), names);
    },
    imageOf: async (view) => (await import('./views/server-views.ts')).imageOf(view),
    refusals: async () => {
      throw new LoomsError('engine-unsupported', 'network policies refuse, and tell nobody what');
    },
    history: async (project, server) => {
      const { historyOf } = await import('./views/history.ts');
      return historyOf(await look(project), server);
    },
    serving: (project, server, options) => servingServer(ports, project, server, options),
    scales: true,
    scale: async (project, server, to, options) =>
      (await import('./apply/scale-server.ts')).scaleServer(ports, project, server, to, options),
    wake: async (project, server, options) =>
      (await import('./apply/scale-server.ts')).wakeServer(ports, project, server, options),
    instances: async (project, options) => {
      const { containersOf } = await import('./views/instances.ts');
      return containersOf(await look(project, options));
    },
    usage: async (project, options) => {
      const { usageOf } = await import('./views/usage.ts');
      return usageOf(ports, await look(project, options), options);
    },
    events: async (project, query, hear, options) => {
      const { events } = await import('./views/events.ts');
      return events(ports, project, query, hear, () => clusterNow(cluster, options), options);
    },
    watchServers: async (project, hear, options) =>
      (await import('./views/events.ts')).watchServers(ports, project, hear, options),
    lock: projectLock({ ...ports, engine: leases(cluster) }),
    sessions,
    close: async () => void (await Promise.all([cluster.close(), settings.images.close()])),
  };
}
