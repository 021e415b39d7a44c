import type { EngineDescription } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { ServerListing } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import { requireKnown } from '../common/require-known.ts';
import type { FilesIntent, Intent, RecordedIntent, RemovalIntent, RollbackIntent } from '../port.ts';
import { describeSeveral } from './describe.ts';
import { type Answered, type Answers, errorOf, type Members, requireAnswer } from './members.ts';
import { mergePrepared, nothingPlaced, type Part, type SeveralPrepared } from './merge.ts';
import { type EngineSeen, type Placed, placeServers } from './place.ts';

/** Looks at a project on all engines, and remembers where its servers are. Throws where no engine answers. */
export async function lookAt(members: Members, project: ProjectName): Promise<Answers<ServerListing>> {
  const look = await members.ask((orchestrator) => orchestrator.servers(project));
  requireAnswer(look);
  for (const { member, value } of look.answered) {
    members.seen(
      member,
      project,
      value.servers.map(({ name }) => name),
    );
  }
  return look;
}

/** Engines as servers are placed on them. */
function seenBy(members: Members, project: ProjectName, { answered }: Answers<ServerListing>) {
  return members.all.flatMap((member): EngineSeen[] => {
    const listing = answered.find((one) => one.member === member)?.value;
    if (listing !== undefined) {
      const servers = new Map(listing.servers.map(({ name, createdAt }) => [name, createdAt]));
      return [{ ...member, answers: true, servers }];
    }
    return [{ ...member, answers: false, isLost: members.isLost(member), servers: members.lastSeen(member, project) }];
  });
}

const silentWarnings = ({ silent }: Answers<unknown>): readonly PlanWarning[] =>
  silent.map(({ member, failure }) => ({
    code: 'engine-silent',
    message: `engine ${member.name} does not answer, and what is on it stays as it is: ${failure.message}`,
  }));

const engineOf = (members: Members, id: string, { answered, silent }: Answers<ServerListing>): EngineDescription =>
  describeSeveral(members, id, {
    answered: answered.map((one) => ({ ...one, value: one.value.engine })),
    silent,
  });

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
  return [within(placed, intent.only), look];
}

async function planFiles(members: Members, id: string, intent: FilesIntent): Promise<SeveralPrepared> {
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
  return mergePrepared(intent, engineOf(members, id, look), { parts, placed, told: silentWarnings(look) });
}

/** What of the places is asked for. */
function within(placed: Placed, only: FilesIntent['only']): Placed {
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
  id: string,
  intent: RecordedIntent | RemovalIntent | RollbackIntent,
): Promise<SeveralPrepared> {
  const look = await lookAt(members, intent.project);
  const names = intent.kind === 'rollback' ? [intent.server] : intent.servers;
  const has = ({ value }: Answered<ServerListing>, name: ServerName): boolean =>
    value.servers.some((one) => one.name === name) || value.deleted.includes(name);
  if (names !== 'all') requireThere(names, intent.project, look, has);
  // What a server left on an engine is no past of it where it is now.
  const home =
    intent.kind !== 'rollback'
      ? undefined
      : (look.answered.find(({ value }) => value.servers.some(({ name }) => name === intent.server)) ??
        look.answered.find((one) => has(one, intent.server)));
  const parts = await planParts(look.answered, (one): Intent | undefined => {
    if (intent.kind === 'rollback') return one === home ? intent : undefined;
    const servers = intent.servers === 'all' ? intent.servers : intent.servers.filter((name) => has(one, name));
    if (intent.kind === 'removal') return servers.length === 0 ? undefined : { ...intent, servers };
    return servers === 'all' || servers.length === 0 ? undefined : { ...intent, servers };
  });
  return mergePrepared(intent, engineOf(members, id, look), {
    parts,
    placed: nothingPlaced,
    told: silentWarnings(look),
  });
}

function requireThere(
  names: readonly ServerName[],
  project: ProjectName,
  look: Answers<ServerListing>,
  has: (engine: Answered<ServerListing>, name: ServerName) => boolean,
): void {
  const missing = names.find((name) => !look.answered.some((one) => has(one, name)));
  if (missing === undefined) return;
  const known = look.answered.flatMap(({ value }) => value.servers.map(({ name }) => name));
  throw lackOf(missing, project, known, look);
}

/** That no engine has a server; where one does not answer, that it may be there. */
export function lackOf(
  name: ServerName,
  project: ProjectName,
  known: readonly ServerName[],
  { silent }: Answers<unknown>,
): LoomsError {
  const [first] = silent;
  if (first === undefined) return serverNotFound(project, name, known);
  return new LoomsError(
    first.failure.code,
    `no engine that answers has server ${name}, and ${first.member.name} does not answer`,
    {
      hint: first.failure.hint,
      detail: silent.map(({ member, failure }) => `${member.name}: ${failure.message}`),
      cause: first.failure,
    },
  );
}

/** `Orchestrator.plan`. */
export async function planIntent(members: Members, id: string, intent: Intent): Promise<SeveralPrepared> {
  if (intent.kind === 'files') return planFiles(members, id, intent);
  if (intent.kind !== 'prune') return planNamed(members, id, intent);
  const look = await lookAt(members, intent.project);
  const parts = await planParts(look.answered, () => intent);
  return mergePrepared(intent, engineOf(members, id, look), {
    parts,
    placed: nothingPlaced,
    told: silentWarnings(look),
  });
}
