import { LoomsError } from '../../model/errors.ts';
import type { Orchestrator, OrchestratorPorts } from '../port.ts';
import type { CallOptions } from '../session-host.ts';
import { describeSeveral } from './describe.ts';
import { type Member, membersOf, requireAnswer } from './members.ts';
import type { SeveralPrepared } from './merge.ts';
import { ownersOf, severalSessions } from './owners.ts';

/**
 * Several engines as one: what is declared is placed on them (`place.ts`), planned on each, and carried out under the locks of
 * all that change. An engine that does not answer holds up nothing of the others.
 *
 * @param all at least one, in the order of looms.yaml
 */
export function severalOrchestrator(
  all: readonly Member[],
  ports: Pick<OrchestratorPorts, 'pause' | 'monotonicMs'>,
): Orchestrator {
  const members = membersOf(all, ports.monotonicMs);
  const owners = ownersOf(members);
  const views = () => import('./views.ts');
  const describe = async (options?: CallOptions) => {
    const answers = await members.recall((orchestrator) => orchestrator.describe(options));
    requireAnswer(answers);
    return describeSeveral(members, answers);
  };
  /** What all that answer have, in the order of looms.yaml. */
  const concat = async <T>(work: (orchestrator: Orchestrator, member: Member) => Promise<readonly T[]>) => {
    const answers = await members.ask(work);
    requireAnswer(answers);
    return answers.answered.flatMap(({ value }) => value);
  };
  return {
    describe,
    tryIsolation: async () => {
      throw new LoomsError('engine-unsupported', 'it is tried on one cluster at a time', {
        hint: 'name it: `looms doctor --probe --context kubernetes:NAME`',
      });
    },
    projects: async (options) => [...new Set(await concat((orchestrator) => orchestrator.projects(options)))].sort(),
    plan: async (intent) => (await import('./plan.ts')).planIntent(members, intent),
    apply: async (prepared, options) =>
      (await import('./apply.ts')).applySeveral(members, prepared as SeveralPrepared, options, ports.monotonicMs),
    servers: async (project, options) =>
      (await views()).serversOf({ members, owners, pause: ports.pause }, project, options),
    imageOf: async (view) => (await owners.of(view.container)).imageOf(view),
    refusals: async (server) => (await (await views()).holderOf(members, server.project, server.name)).refusals(server),
    history: async (project, server) => (await views()).historyOf(members, project, server),
    serving: async (project, server, options) =>
      (await views()).servingOn({ members, owners, pause: ports.pause }, project, server, options),
    // Whether a server can is its engine's: that throws where it runs one container of each.
    scales: true,
    scale: async (project, server, to, options) =>
      (await (await views()).holderOf(members, project, server, options)).scale(project, server, to, options),
    wake: async (project, server, options) =>
      (await (await views()).holderOf(members, project, server, options)).wake(project, server, options),
    instances: async (project, options) => {
      const instances = await concat(async (orchestrator, member) => {
        const found = await orchestrator.instances(project, options);
        for (const { id: container } of found) owners.note(container, member);
        return found;
      });
      return instances.toSorted((a, b) =>
        a.server === b.server ? a.generation - b.generation : a.server < b.server ? -1 : 1,
      );
    },
    usage: (project, options) => concat((orchestrator) => orchestrator.usage(project, options)),
    events: async (project, query, hear, options) =>
      (await import('./streams.ts')).eventsOf(members, project, query, hear, options),
    watchServers: async (project, hear, options) =>
      (await import('./streams.ts')).watchAll(members, ports, project, hear, options),
    lock: {
      look: async (project, id = '') => {
        const found = await concat(async (orchestrator, member) => {
          const lock = await orchestrator.lock.look(project);
          if (lock !== null) owners.note(lock.holder.id, member);
          return lock === null ? [] : [lock];
        });
        return found.find(({ holder }) => holder.id.startsWith(id)) ?? found[0] ?? null;
      },
      take: async (lock) => (await owners.of(lock.id)).lock.take(lock),
    },
    sessions: severalSessions(owners),
    close: async () => void (await Promise.all(all.map((member) => member.close()))),
  };
}
