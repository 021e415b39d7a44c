import { isFailure, type LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import { isNonEmpty } from '../../model/plan.ts';
import type { GenerationView, ServerListing, ServerView, Serving } from '../../model/server-view.ts';
import type { Orchestrator, OrchestratorPorts } from '../port.ts';
import type { CallOptions } from '../session-host.ts';
import { describeSeveral } from './describe.ts';
import { type Answered, type Member, type Members, requireAnswer } from './members.ts';
import type { Owners } from './owners.ts';
import { lackOf } from './plan.ts';

type Names = CallOptions & { readonly names?: readonly ServerName[] };

/** Servers of all engines, each by the engine it is on. Of one that is on two, the one that was made last. */
export async function serversOf(
  members: Members,
  owners: Owners,
  id: string,
  project: ProjectName,
  options?: Names,
): Promise<ServerListing> {
  const look = await members.ask((orchestrator) => orchestrator.servers(project, options));
  const [first] = requireAnswer(look);
  const views = new Map<ServerName, ServerView>();
  const twice: Notice[] = [];
  for (const { member, value } of look.answered) {
    for (const view of value.servers) {
      for (const { container } of view.instances) owners.note(container, member);
      const other = views.get(view.name);
      const newest = other === undefined || other.createdAt < view.createdAt ? { ...view, engine: member.name } : other;
      views.set(view.name, newest);
      if (other === undefined) continue;
      const message = `it is on ${other.engine} and on ${member.name}; the next apply takes one away`;
      twice.push({ code: 'not-in-spec', server: view.name, message });
    }
  }
  const engine = describeSeveral(members, id, {
    answered: look.answered.map((one) => ({ ...one, value: one.value.engine })),
    silent: look.silent,
  });
  return {
    project,
    engine,
    now: first.value.now,
    servers: [...views.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    deleted: [...new Set(look.answered.flatMap(({ value }) => value.deleted))]
      .filter((name) => !views.has(name))
      .sort(),
    notices: [
      ...look.answered.flatMap(({ member, value }) =>
        value.notices.map((notice) =>
          notice.server === undefined ? { ...notice, message: `${member.name}: ${notice.message}` } : notice,
        ),
      ),
      ...twice,
      ...look.silent.map(({ member, failure }) => ({
        code: 'engine-silent' as const,
        message: `engine ${member.name} does not answer, and what is on it is not shown: ${failure.message}`,
      })),
    ],
  };
}

/** The engines that have a server, that which made it last first. Throws `server-not-found`, or why it is not known. */
async function holdersOf(
  members: Members,
  project: ProjectName,
  server: ServerName,
  options?: CallOptions,
): Promise<readonly [Answered<ServerListing>, ...Answered<ServerListing>[]]> {
  const look = await members.ask((orchestrator) => orchestrator.servers(project, { ...options, names: [server] }));
  const madeAt = ({ value }: Answered<ServerListing>): number =>
    value.servers.find(({ name }) => name === server)?.createdAt ?? 0;
  const holders = look.answered
    .filter(({ value }) => value.servers.some(({ name }) => name === server) || value.deleted.includes(server))
    .toSorted((a, b) => madeAt(b) - madeAt(a));
  if (isNonEmpty(holders)) return holders;
  throw lackOf(
    server,
    project,
    look.answered.flatMap(({ value }) => value.servers.map(({ name }) => name)),
    look,
  );
}

/** The engine that has a server. */
export const holderOf = async (
  members: Members,
  project: ProjectName,
  server: ServerName,
  options?: CallOptions,
): Promise<Orchestrator> => (await holdersOf(members, project, server, options))[0].orchestrator;

/** Its generations on the engine where it is: what it left on another one is told there. */
export const historyOf = async (
  members: Members,
  project: ProjectName,
  server: ServerName,
): Promise<readonly GenerationView[]> => (await holderOf(members, project, server)).history(project, server);

/** So long other engines are waited for once one has the server, ms: two have it for a moment only, while it moves. */
const othersMs = 1_000;

/** What sessions of a server go to. Where two engines have it, as while it moves, the one that made it last. */
export async function servingOn(
  { members, owners, pause }: { readonly members: Members; readonly owners: Owners } & Pick<OrchestratorPorts, 'pause'>,
  project: ProjectName,
  server: ServerName,
  options?: Parameters<Orchestrator['serving']>[2],
): Promise<Serving> {
  const found: { readonly member: Member; readonly serving: Serving }[] = [];
  const failures: LoomsError[] = [];
  const first = Promise.withResolvers<void>();
  const asked = members.ask(async (orchestrator, member) => {
    try {
      const serving = await orchestrator.serving(project, server, options);
      owners.note(serving.container, member);
      found.push({ member, serving });
      first.resolve();
    } catch (error) {
      // That it is not there, or does not run, matters only where it runs on no other.
      if (isFailure(error, 'server-not-running', 'server-asleep', 'image-not-found')) failures.push(error);
      else if (!isFailure(error, 'server-not-found')) throw error;
    }
  });
  const allAnswered = new AbortController();
  const ended = asked.finally(() => allAnswered.abort());
  await Promise.race([ended, first.promise.then(() => pause(othersMs, allAnswered.signal))]);
  const [only, ...others] = found;
  if (only === undefined) {
    const answers = await ended;
    requireAnswer(answers);
    const [failure] = failures;
    throw failure ?? lackOf(server, project, await namesOf(members, project, options), answers);
  }
  ended.catch(() => {}); // An engine that failed has no part in what another one serves.
  if (others.length === 0) return only.serving;
  const [newest] = await holdersOf(members, project, server, options);
  return (found.find(({ member }) => member === newest.member) ?? only).serving;
}

/** Names of all servers, for whoever wrote one that there is not. */
async function namesOf(members: Members, project: ProjectName, options?: CallOptions): Promise<readonly ServerName[]> {
  const { answered } = await members.ask((orchestrator) => orchestrator.servers(project, { ...options }));
  return answered.flatMap(({ value }) => value.servers.map(({ name }) => name));
}
