import { isFailure } from '../../model/errors.ts';
import type { ContainerId } from '../../model/ids.ts';
import type { Orchestrator } from '../port.ts';
import type { CallOptions, SessionHost } from '../session-host.ts';
import { type Member, type Members, requireAnswer } from './members.ts';

/** Which engine a container is on. */
export type Owners = {
  readonly note: (container: ContainerId, member: Member) => void;
  /** As it was noted, else by asking all of them; the first one where none has it, which says so by its own error. */
  readonly of: (container: ContainerId, options?: CallOptions) => Promise<Orchestrator>;
};

/** How many containers are remembered: more than a project has, and not all that ever were. */
const mostNoted = 10_000;

export function ownersOf(members: Members): Owners {
  const noted = new Map<ContainerId, Member>();
  const note = (container: ContainerId, member: Member): void => {
    noted.delete(container);
    noted.set(container, member);
    const [oldest] = noted.size > mostNoted ? noted.keys() : [];
    if (oldest !== undefined) noted.delete(oldest);
  };
  return {
    note,
    of: async (container, options) => {
      const known = noted.get(container);
      if (known !== undefined) return known.orchestrator();
      const answers = await members.ask(async ({ sessions }) => {
        try {
          return await sessions.containerRunning(container, options);
        } catch (error) {
          // An id that is none of this kind of engine is none of its containers.
          if (isFailure(error, 'engine-rejected', 'engine-not-found')) return null;
          throw error;
        }
      });
      const [first] = requireAnswer(answers);
      const owner = answers.answered.find(({ value }) => value !== null);
      if (owner !== undefined) note(container, owner.member);
      return (owner ?? first).orchestrator;
    },
  };
}

/** `SessionHost` of several engines: each container is talked to on its own. */
export function severalSessions(owners: Owners): SessionHost {
  const on = async (id: ContainerId, options?: CallOptions): Promise<SessionHost> =>
    (await owners.of(id, options)).sessions;
  return {
    exec: async (id, request, options) => (await on(id, options)).exec(id, request, options),
    dial: async (id, port, request) => (await on(id, request)).dial(id, port, request),
    containerRunning: async (id, options) => (await on(id, options)).containerRunning(id, options),
    countSessions: async (id, options) => (await on(id, options)).countSessions(id, options),
    tailLog: async (id, lines, options) => (await on(id, options)).tailLog(id, lines, options),
    async *readLog(id, query, options) {
      yield* (await on(id, options)).readLog(id, query, options);
    },
  };
}
