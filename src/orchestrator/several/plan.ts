import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { PlanWarning } from '../../model/plan.ts';
import type { ServerListing } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import { requireKnown } from '../common/require-known.ts';
import type { FilesIntent, Intent, RecordedIntent, RemovalIntent, RollbackIntent } from '../port.ts';
import { hadServer, hasServer, holdersIn, lackOf, lookAt, madeFromNow, namesIn, plannedOn } from './look.ts';
import { type Answered, type Answers, errorOf, type Members, silentLines } from './members.ts';
import { mergePrepared, nothingPlaced, type Part, type SeveralPrepared } from './merge.ts';
import { type EngineSeen, type Placed, placeServers } from './place.ts';

/** Engines as servers are placed on them. */
const seenBy = (members: Members, project: ProjectName, { answered }: Answers<ServerListing>): readonly EngineSeen[] =>
  members.all.map((member): EngineSeen => {
    const listing = answered.find((one) => one.member === member)?.value;
    if (listing !== undefined) return { ...member, answers: true, servers: madeFromNow(listing) };
    return { ...member, answers: false, isLost: members.isLost(member), servers: members.lastSeen(member, project) };
  });

const silentWarnings = ({ silent }: Answers<unknown>): readonly PlanWarning[] =>
  silent.map(({ member, failure }) => ({
    code: 'engine-silent',
    message: `engine ${member.name} does not answer, and what is on it stays as it is: ${failure.message}`,
  }));

/** Plans on each engine what of an intent is for it. One that fails fails all, under its name. */
async function planParts<I extends Intent>(
  answered: readonly Answered<ServerListing>[],
  intentFor: (engine: Answered<ServerListing>) => I | undefined,
): Promise<readonly Part[]> {
  const parts = await Promise.all(
    answered.map(async (one): Promise<readonly Part[]> => {
      const intent = intentFor(one);
      if (intent === undefined) return [];
      try {
        return [{ engine: one.member.name, prepared: await one.orchestrator.plan(intent) }];
      } catch (error) {
        throw errorOf(one.member, error);
      }
    }),
  );
  return parts.flat();
}

/** Where the servers of files shall be, as the engines are now. */
export async function placeNow(members: Members, intent: FilesIntent): Promise<[Placed, Answers<ServerListing>]> {
  const look = await lookAt(members, intent.project);
  const placed = placeServers(intent.servers, seenBy(members, intent.project, look));
  return [onlyOf(placed, intent.only), look];
}

async function planFiles(members: Members, intent: FilesIntent): Promise<SeveralPrepared> {
  requireKnown(intent);
  const [placed, look] = await placeNow(members, intent);
  const { only, replace, unhealthy } = intent;
  const parts = await planParts(look.answered, ({ member: { name: engine } }): FilesIntent => {
    const servers = intent.servers.filter(({ spec }) => {
      const placing = placed.placings.get(spec.name);
      return placing?.kind === 'on' && placing.engine === engine;
    });
    const names = new Set<string>(servers.map(({ spec }) => spec.name));
    const here = (list: readonly ServerName[] | undefined): readonly ServerName[] | undefined =>
      list?.filter((name) => names.has(name));
    return {
      ...intent,
      servers,
      only: here(only),
      replace: here(replace),
      ...defined({ unhealthy: unhealthy && new Map([...unhealthy].filter(([name]) => names.has(name))) }),
      movedAway: placed.leaving.get(engine),
    };
  });
  return mergePrepared(intent, plannedOn(members, look), { parts, placed, told: silentWarnings(look) });
}

/** The places of the servers that are asked for; undefined: of all. */
function onlyOf(placed: Placed, only: FilesIntent['only']): Placed {
  if (only === undefined) return placed;
  const isAsked = (server: ServerName): boolean => only.includes(server);
  return {
    placings: new Map([...placed.placings].filter(([server]) => isAsked(server))),
    leaving: new Map([...placed.leaving].map(([engine, servers]) => [engine, servers.filter(isAsked)])),
    warnings: placed.warnings.filter(({ server }) => server === undefined || isAsked(server)),
  };
}

/** Servers by their names, each on every engine that has it. */
async function planNamed(
  members: Members,
  intent: RecordedIntent | RemovalIntent | RollbackIntent,
): Promise<SeveralPrepared> {
  const look = await lookAt(members, intent.project);
  if (intent.kind === 'removal' && intent.servers === 'all') requireAll(look);
  const names = intent.kind === 'rollback' ? [intent.server] : intent.servers;
  if (names !== 'all') requireThere(names, intent.project, look);
  const parts = await planParts(look.answered, (one): Intent | undefined => {
    // A server is taken back where it was made last, else where it was deleted.
    if (intent.kind === 'rollback') return one === holdersIn(look, intent.server)[0] ? intent : undefined;
    if (intent.servers === 'all') return intent;
    const servers = intent.servers.filter((name) => isFor(one, name, look));
    return servers.length === 0 ? undefined : { ...intent, servers };
  });
  return mergePrepared(intent, plannedOn(members, look), { parts, placed: nothingPlaced, told: silentWarnings(look) });
}

/** Whether a server is that engine's to do something with: what it left on one is no part of it where it is now. */
const isFor = (one: Answered<ServerListing>, name: ServerName, { answered }: Answers<ServerListing>): boolean =>
  hasServer(one, name) || (hadServer(one, name) && !answered.some((other) => hasServer(other, name)));

/** All of a project is not deleted while some of it cannot be. Throws why. */
function requireAll({ silent }: Answers<ServerListing>): void {
  const [first] = silent;
  if (first === undefined) return;
  throw new LoomsError(first.failure.code, `engine ${first.member.name} does not answer, and may have servers`, {
    hint: 'name the servers to delete; an engine that is gone for good is taken out of engines in looms.yaml',
    detail: silentLines(silent),
    cause: first.failure,
  });
}

function requireThere(names: readonly ServerName[], project: ProjectName, look: Answers<ServerListing>): void {
  const missing = names.find((name) => holdersIn(look, name).length === 0);
  if (missing !== undefined) throw lackOf(missing, project, namesIn(look), look);
}

/** `Orchestrator.plan`. */
export async function planIntent(members: Members, intent: Intent): Promise<SeveralPrepared> {
  if (intent.kind === 'files') return planFiles(members, intent);
  if (intent.kind !== 'prune') return planNamed(members, intent);
  const look = await lookAt(members, intent.project);
  const parts = await planParts(look.answered, () => intent);
  return mergePrepared(intent, plannedOn(members, look), {
    parts,
    placed: nothingPlaced,
    told: silentWarnings(look),
  });
}
