import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { EngineTraits } from '../../model/place.ts';
import { isNonEmpty } from '../../model/plan.ts';
import type { Orchestrator } from '../port.ts';

/** One engine of several. */
export type Member = EngineTraits & {
  /** Connects on the first call; throws what keeps it from being reached, and tries again the next time. */
  readonly orchestrator: () => Promise<Orchestrator>;
  /** Ends the connection, where there is one. */
  readonly close: () => Promise<void>;
};

export type Answered<T> = { readonly member: Member; readonly orchestrator: Orchestrator; readonly value: T };
export type Silent = { readonly member: Member; readonly failure: LoomsError };

/** What engines answered, in the order of looms.yaml, and which did not. */
export type Answers<T> = { readonly answered: readonly Answered<T>[]; readonly silent: readonly Silent[] };

type Question<T> = (orchestrator: Orchestrator, member: Member) => Promise<T>;

/** What this program knows of engines from their last answers. */
export type Members = {
  readonly all: readonly Member[];
  /**
   * Asks all of them at once, or some; throws what an engine that was reached refused, with its name. One that was long in
   * being found silent is not waited for again: it is asked beside, and counts once it has answered that.
   */
  readonly ask: <T>(work: Question<T>, among?: readonly Member[]) => Promise<Answers<T>>;
  /** Whether it has not answered for as long as looms.yaml says. */
  readonly isLost: (member: Member) => boolean;
  /** Remembers which servers of a project are on it. */
  readonly seen: (member: Member, project: ProjectName, servers: readonly ServerName[]) => void;
  /** Those that were on it at its last answer; undefined where this program has not heard of it. */
  readonly lastSeen: (member: Member, project: ProjectName) => ReadonlySet<ServerName> | undefined;
};

/** It is not there for now, or cannot be reached from here: what is on it goes on. */
const isSilence = (error: unknown): error is LoomsError =>
  isFailure(error, 'engine-unreachable', 'engine-timeout', 'engine-too-old', 'context-not-found');

/** The same error, of that engine. */
export const errorOf = ({ name }: Pick<Member, 'name'>, error: unknown): unknown => {
  if (!(error instanceof LoomsError)) return error;
  const { code, message, hint, detail, about } = error;
  return new LoomsError(code, `engine ${name}: ${message}`, { hint, detail, about, cause: error });
};

/** An engine that needs longer than this to be found silent holds up no other question after that, ms. */
const slowMs = 1_000;

/** How an engine was found silent. */
type Silence = {
  /** Both by the clock of `membersOf`, ms. */
  readonly since: number;
  readonly tookMs: number;
  readonly failure: LoomsError;
};

/** @param monotonicMs a clock that never goes back, ms */
export function membersOf(all: readonly Member[], monotonicMs: () => number): Members {
  const silences = new Map<Member, Silence>();
  /** Engines that are asked whether they are back, beside all questions. */
  const knocked = new Set<Member>();
  const servers = new Map<string, ReadonlySet<ServerName>>();
  const key = ({ name }: Member, project: ProjectName): string => `${project}/${name}`;
  const put = async <T>(member: Member, work: Question<T>): Promise<Answered<T> | Silent> => {
    const began = monotonicMs();
    try {
      const orchestrator = await member.orchestrator();
      const value = await work(orchestrator, member);
      silences.delete(member);
      return { member, orchestrator, value };
    } catch (error) {
      if (!isSilence(error)) throw errorOf(member, error);
      const tookMs = monotonicMs() - began;
      silences.set(member, { since: silences.get(member)?.since ?? began, tookMs, failure: error });
      return { member, failure: error };
    }
  };
  const knock = async (member: Member): Promise<void> => {
    if (knocked.has(member)) return;
    knocked.add(member);
    // What else it says when it is back is said to who asks next.
    await put(member, (orchestrator) => orchestrator.describe()).catch(() => {});
    knocked.delete(member);
  };
  const askOne = async <T>(member: Member, work: Question<T>): Promise<Answered<T> | Silent> => {
    const silence = silences.get(member);
    if (silence === undefined || silence.tookMs < slowMs) return put(member, work);
    void knock(member);
    return { member, failure: silence.failure };
  };
  return {
    all,
    ask: async <T>(work: Question<T>, among = all): Promise<Answers<T>> => {
      const answers = await Promise.all(among.map((member) => askOne(member, work)));
      const answered = answers.filter((one): one is Answered<T> => 'orchestrator' in one);
      return { answered, silent: answers.filter((one): one is Silent => 'failure' in one) };
    },
    isLost: (member) => {
      const silence = silences.get(member);
      return silence !== undefined && monotonicMs() - silence.since >= member.lostAfterMs;
    },
    seen: (member, project, names) => void servers.set(key(member, project), new Set(names)),
    lastSeen: (member, project) => servers.get(key(member, project)),
  };
}

/** What was answered; throws the first failure where nobody answered. */
export function requireAnswer<T>({ answered, silent }: Answers<T>): readonly [Answered<T>, ...Answered<T>[]] {
  if (isNonEmpty(answered)) return answered as [Answered<T>, ...Answered<T>[]];
  const [first] = silent;
  if (first === undefined) throw new LoomsError('internal', 'several engines without one');
  const { code, hint } = first.failure;
  throw new LoomsError(code, 'none of the engines answers', {
    hint,
    detail: silent.map(({ member, failure }) => `${member.name}: ${failure.message}`),
    cause: first.failure,
  });
}
