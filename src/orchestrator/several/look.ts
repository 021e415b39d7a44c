import type { EngineDescription, SeveralDescription } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { PlannedEngine } from '../../model/plan.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { ServerListing } from '../../model/server-view.ts';
import { describeSeveral, requireDistinct } from './describe.ts';
import { type Answered, type Answers, type Members, requireAnswer, silentLines } from './members.ts';

/** Lists by the engines that they are of. */
const enginesOf = ({ answered }: Answers<ServerListing>): readonly Answered<EngineDescription>[] =>
  answered.map((one) => ({ ...one, value: one.value.engine }));

/** Throws where no engine answered, and where two of them are one (`spec-invalid`). */
export function requireLook(
  look: Answers<ServerListing>,
): readonly [Answered<ServerListing>, ...Answered<ServerListing>[]] {
  const answered = requireAnswer(look);
  requireDistinct(enginesOf(look));
  return answered;
}

/**
 * Looks at a project on all engines, and remembers where its servers are. Throws what `requireLook` throws.
 */
export async function lookAt(members: Members, project: ProjectName): Promise<Answers<ServerListing>> {
  const look = await members.ask((orchestrator) => orchestrator.servers(project));
  requireLook(look);
  for (const { member, value } of look.answered) {
    members.seen(
      member,
      project,
      value.servers.map(({ name }) => name),
    );
  }
  return look;
}

/** All engines as one, as a plan names them, by what they said with their lists. */
export function plannedOn(members: Members, look: Answers<ServerListing>): PlannedEngine {
  const { engines, ...all } = engineOf(members, look);
  return { ...all, engines: Object.fromEntries(Object.entries(engines).map(([name, { id }]) => [name, id])) };
}

/** All engines as one, by what they said with their lists. */
export const engineOf = (members: Members, look: Answers<ServerListing>): SeveralDescription =>
  describeSeveral(members, { answered: enginesOf(look), silent: look.silent });

export const hasServer = ({ value }: Answered<ServerListing>, name: ServerName): boolean =>
  value.servers.some((one) => one.name === name);
/** Whether only its past is recorded there. */
export const hadServer = ({ value }: Answered<ServerListing>, name: ServerName): boolean =>
  value.deleted.includes(name);

/**
 * When the containers of servers were made, ms from now, so less than 0: two engines need not agree on the time, and each tells
 * it by its own clock.
 */
export const madeFromNow = ({ servers, now }: ServerListing): ReadonlyMap<ServerName, number> =>
  new Map(servers.map(({ name, createdAt }) => [name, createdAt - now]));

/** The engines that have a server, that which made it last first; then those that had it. */
export function holdersIn({ answered }: Answers<ServerListing>, name: ServerName): readonly Answered<ServerListing>[] {
  const madeAt = ({ value }: Answered<ServerListing>): number =>
    madeFromNow(value).get(name) ?? Number.NEGATIVE_INFINITY;
  return answered
    .filter((one) => hasServer(one, name) || hadServer(one, name))
    .toSorted((a, b) => (madeAt(a) === madeAt(b) ? 0 : madeAt(b) - madeAt(a)));
}

/** Names of all servers that are there. */
export const namesIn = ({ answered }: Answers<ServerListing>): readonly ServerName[] =>
  answered.flatMap(({ value }) => value.servers.map(({ name }) => name));

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
      detail: silentLines(silent),
      cause: first.failure,
    },
  );
}
