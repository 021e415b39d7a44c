import { isFailure, type LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import { isNonEmpty } from '../../model/plan.ts';
import type { GenerationView, ServerListing, ServerView, Serving } from '../../model/server-view.ts';
import type { Orchestrator } from '../port.ts';
import type { CallOptions } from '../session-host.ts';
import { describeSeveral } from './describe.ts';
import { type Answered, type Members, requireAnswer } from './members.ts';
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

/** What an engine says of a server that it need not have. */
const ifThere = async <T>(asked: Promise<T>): Promise<T | undefined> => {
  try {
    return await asked;
  } catch (error) {
    if (isFailure(error, 'server-not-found')) return undefined;
    throw error;
  }
};

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

/** What sessions of a server go to. Where two engines have it, as while it moves, the one that made it last. */
export async function servingOn(
  members: Members,
  owners: Owners,
  project: ProjectName,
  server: ServerName,
  options?: Parameters<Orchestrator['serving']>[2],
): Promise<Serving> {
  const failures: LoomsError[] = [];
  const look = await members.ask(async (orchestrator) => {
    try {
      return await ifThere(orchestrator.serving(project, server, options));
    } catch (error) {
      // That it does not run on this engine matters only where it runs on no other.
      if (!isFailure(error, 'server-not-running', 'image-not-found')) throw error;
      failures.push(error);
      return undefined;
    }
  });
  requireAnswer(look);
  const found = look.answered.flatMap(({ member, value }) => (value === undefined ? [] : [{ member, serving: value }]));
  for (const { member, serving } of found) owners.note(serving.container, member);
  const [only, ...others] = found;
  if (only === undefined) {
    const [failure] = failures;
    if (failure !== undefined) throw failure;
    throw lackOf(server, project, await namesOf(members, project, options), look);
  }
  if (others.length === 0) return only.serving;
  const [newest] = await holdersOf(members, project, server, options);
  return (found.find(({ member }) => member === newest.member) ?? only).serving;
}

/** Names of all servers, for whoever wrote one that there is not. */
async function namesOf(members: Members, project: ProjectName, options?: CallOptions): Promise<readonly ServerName[]> {
  const { answered } = await members.ask((orchestrator) => orchestrator.servers(project, { ...options }));
  return answered.flatMap(({ value }) => value.servers.map(({ name }) => name));
}
