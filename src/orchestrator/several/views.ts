import { isFailure, type LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { type Notice, silentNotices } from '../../model/notices.ts';
import { isNonEmpty, type NonEmpty } from '../../model/plan.ts';
import type { GenerationView, ServerListing, ServerView, Serving } from '../../model/server-view.ts';
import type { ListingOptions, Orchestrator, OrchestratorPorts } from '../port.ts';
import type { CallOptions } from '../session-host.ts';
import { engineOf, holdersIn, lackOf, namesIn, requireLook } from './look.ts';
import { type Answered, type Member, type Members, requireAnswer } from './members.ts';
import type { Owners } from './owners.ts';

/** What lists and sessions of several engines are made of. */
type Several = { readonly members: Members; readonly owners: Owners } & Pick<OrchestratorPorts, 'pause'>;

/** A server with its times on another engine's clock, which is `shift` ms ahead: ages are told and compared by one clock. */
const onClock = (view: ServerView, shift: number): ServerView => ({
  ...view,
  createdAt: view.createdAt + shift,
  rotatesAt: view.rotatesAt === null ? null : view.rotatesAt + shift,
  status: view.status.status === 'running' ? { ...view.status, startedAt: view.status.startedAt + shift } : view.status,
});

/** Servers of all engines, each by the engine it is on. Of one that is on two, the one that was made last. */
export async function serversOf(
  { members, owners, pause }: Several,
  project: ProjectName,
  { othersMs, ...options }: ListingOptions = {},
): Promise<ServerListing> {
  const enough = othersMs === undefined ? undefined : (signal: AbortSignal) => pause(othersMs, signal);
  const look = await members.ask((orchestrator) => orchestrator.servers(project, options), members.all, enough);
  const [first] = requireLook(look);
  const { now } = first.value;
  const views = new Map<ServerName, ServerView>();
  const twice: Notice[] = [];
  for (const { member, value } of look.answered) {
    for (const there of value.servers) {
      const view = { ...onClock(there, now - value.now), engine: member.name };
      for (const { container } of view.instances) owners.note(container, member);
      const other = views.get(view.name);
      views.set(view.name, other === undefined || other.createdAt < view.createdAt ? view : other);
      if (other === undefined) continue;
      const message = `it is on ${other.engine} and on ${member.name}; the next apply takes one away`;
      twice.push({ code: 'on-two-engines', server: view.name, message });
    }
  }
  const engine = engineOf(members, look);
  return {
    project,
    engine,
    now,
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
      ...silentNotices(engine),
    ],
  };
}

/** The engines that have a server, or had it, that which made it last first. Throws `server-not-found`, or why it is not known. */
async function holdersOf(
  members: Members,
  project: ProjectName,
  server: ServerName,
  options?: CallOptions,
): Promise<NonEmpty<Answered<ServerListing>>> {
  const look = await members.ask((orchestrator) => orchestrator.servers(project, { ...options, names: [server] }));
  requireLook(look);
  const holders = holdersIn(look, server);
  if (isNonEmpty(holders)) return holders;
  throw lackOf(server, project, namesIn(look), look);
}

/** The engine that has a server. */
export const holderOf = async (
  members: Members,
  project: ProjectName,
  server: ServerName,
  options?: CallOptions,
): Promise<Orchestrator> => (await holdersOf(members, project, server, options))[0].orchestrator;

/** The generations of a server on the engine that has it: what it left on another one is told there. */
export const historyOf = async (
  members: Members,
  project: ProjectName,
  server: ServerName,
): Promise<readonly GenerationView[]> => (await holderOf(members, project, server)).history(project, server);

/** So long other engines are waited for once one has the server, ms: two have it for a moment only, while it moves. */
const othersMs = 1_000;

/**
 * Whether a server that an engine has stands still there: it was stopped, or sleeps. One that has not run yet, as while it
 * moves there, or that failed its gate takes no sessions from the one that served before.
 */
async function standsStill(
  { orchestrator, value }: Answered<ServerListing>,
  project: ProjectName,
  server: ServerName,
): Promise<boolean> {
  const view = value.servers.find(({ name }) => name === server);
  if (view === undefined || !['stopped', 'disabled', 'asleep'].includes(view.state)) return false;
  if (view.instances.some(({ run }) => run === '')) return false;
  const generations = await orchestrator.history(project, server);
  return generations.find(({ generation }) => generation === view.generation)?.state !== 'gate-failed';
}

/**
 * What sessions of a server go to. Where two engines have it, as while it moves: of those past their gates what was made last.
 * Throws why what was made last does not serve where it stands still.
 */
export async function servingOn(
  { members, owners, pause }: { readonly members: Members; readonly owners: Owners } & Pick<OrchestratorPorts, 'pause'>,
  project: ProjectName,
  server: ServerName,
  options?: Parameters<Orchestrator['serving']>[2],
): Promise<Serving> {
  const found: { readonly member: Member; readonly serving: Serving }[] = [];
  const failures = new Map<Member, LoomsError>();
  const firstFound = Promise.withResolvers<void>();
  const asked = members.ask(async (orchestrator, member) => {
    try {
      const serving = await orchestrator.serving(project, server, options);
      owners.note(serving.container, member);
      found.push({ member, serving });
      firstFound.resolve();
    } catch (error) {
      // That a server is not on an engine, or does not run there, matters only where it runs on no other, or was made there last.
      if (isFailure(error, 'server-not-running', 'server-asleep', 'image-not-found')) failures.set(member, error);
      else if (!isFailure(error, 'server-not-found')) throw error;
    }
  });
  const allAnswered = new AbortController();
  const ended = asked.finally(() => allAnswered.abort());
  const inTime = firstFound.promise.then(() => pause(othersMs, allAnswered.signal));
  const all = async (): Promise<void> => {
    try {
      await ended;
    } catch (error) {
      // An engine that failed has no part in what another one serves.
      if (found.length === 0) throw error;
    }
  };
  await Promise.race([all(), inTime]);
  const [only, ...others] = found;
  if (only === undefined) {
    const answers = await ended;
    requireAnswer(answers);
    const [failure] = failures.values();
    if (failure !== undefined) throw failure;
    // By all names: whoever wrote one that there is not is told the nearest.
    throw lackOf(
      server,
      project,
      namesIn(await members.ask((orchestrator) => orchestrator.servers(project, {}))),
      answers,
    );
  }
  if (others.length === 0 && failures.size === 0) return only.serving;
  // While it moves, what has passed its gate serves until the other one has as well.
  const proven = found.filter(({ serving }) => serving.isUnproven !== true);
  const fit = proven.length > 0 ? proven : found;
  const [first = only, second] = fit;
  if (second === undefined && failures.size === 0) return first.serving;
  const holders = await holdersOf(members, project, server, options);
  const [last] = holders;
  const failure = failures.get(last.member);
  if (failure !== undefined && (await standsStill(last, project, server))) throw failure;
  const [newest = first] = holders.flatMap((one) => fit.find(({ member }) => member === one.member) ?? []);
  return newest.serving;
}
