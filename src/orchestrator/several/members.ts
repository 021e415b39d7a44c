import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { EngineTraits } from '../../model/place.ts';
import { isNonEmpty } from '../../model/plan.ts';
import type { SingleOrchestrator } from '../port.ts';

/** One engine of several. */
export type Member = EngineTraits & {
  /** Connects on the first call; throws what keeps it from being reached, and tries again the next time. */
  readonly orchestrator: () => Promise<SingleOrchestrator>;
  /** Ends the connection, where there is one. */
  readonly close: () => Promise<void>;
};

export type Answered<T> = { readonly member: Member; readonly orchestrator: SingleOrchestrator; readonly value: T };
export type Silent = { readonly member: Member; readonly failure: LoomsError };

/** What engines answered, in the order of looms.yaml, and which did not. */
export type Answers<T> = { readonly answered: readonly Answered<T>[]; readonly silent: readonly Silent[] };

type Question<T> = (orchestrator: SingleOrchestrator, member: Member) => Promise<T>;

/** Resolves when the engines that have not answered yet are waited for no longer; or when the signal says that all have. */
type Enough = (allAnswered: AbortSignal) => Promise<void>;

/** What this program knows of engines from their last answers. */
export type Members = {
  readonly all: readonly Member[];
  /**
   * Asks all of them at once, or some; throws what an engine that was reached refused, with its name. One that was long in
   * being found silent is not waited for again: it is asked beside, and counts once it has answered that. `enough` is called
   * with the first answer; who is not waited for any longer is silent in this one, and is asked on, to be found silent.
   */
  readonly ask: <T>(work: Question<T>, among?: readonly Member[], enough?: Enough) => Promise<Answers<T>>;
  /** The same of what an engine may tell from memory: that it does says nothing of whether it is there. */
  readonly recall: <T>(work: Question<T>) => Promise<Answers<T>>;
  /** Whether an engine has been gone for as long as looms.yaml says. One that does not let us in is there. */
  readonly isLost: (member: Member) => boolean;
  /** Remembers which servers of a project are on an engine. */
  readonly seen: (member: Member, project: ProjectName, servers: readonly ServerName[]) => void;
  /** Remembers servers that are about to be made on an engine: from now on they may be there. */
  readonly expect: (member: Member, project: ProjectName, servers: readonly ServerName[]) => void;
  /** Servers that were on an engine at its last answer, or may have been made since; undefined where it never answered here. */
  readonly lastSeen: (member: Member, project: ProjectName) => ReadonlySet<ServerName> | undefined;
};

/** That an engine is not there for now. */
const isGone = (error: unknown): error is LoomsError => isFailure(error, 'engine-unreachable', 'engine-timeout');

/** That an engine says nothing that helps: it is gone, cannot be found from here, cannot now, or does not let us in. What is on it goes on. */
const isSilence = (error: unknown): error is LoomsError =>
  isGone(error) || isFailure(error, 'engine-unavailable', 'engine-too-old', 'context-not-found', 'engine-rejected');

/** The same error, of that engine. */
export const errorOf = ({ name }: Pick<Member, 'name'>, error: unknown): unknown => {
  if (!(error instanceof LoomsError)) return error;
  const { code, message, hint, detail, about } = error;
  return new LoomsError(code, `engine ${name}: ${message}`, { hint, detail, about, cause: error });
};

type Asked<T> = { readonly member: Member; readonly answer: Promise<Answered<T> | Silent> };

/** The answers, or that an engine has not answered when it is enough. */
function inTime<T>(asked: readonly Asked<T>[], enough: Enough): readonly Asked<T>['answer'][] {
  const allAnswered = new AbortController();
  void Promise.allSettled(asked.map(({ answer }) => answer)).then(() => allAnswered.abort());
  const first = Promise.withResolvers<void>();
  const over = first.promise.then(() => enough(allAnswered.signal));
  const noted = async (answer: Asked<T>['answer']): Promise<Answered<T> | Silent> => {
    const one = await answer;
    if ('orchestrator' in one) first.resolve();
    return one;
  };
  return asked.map(({ member, answer }) => {
    const late = (): Silent => ({ member, failure: new LoomsError('engine-timeout', 'it has not answered yet') });
    return Promise.race([noted(answer), over.then(late)]);
  });
}

/** An engine that needs longer than this to be found silent holds up no other question after that, ms. */
const slowMs = 1_000;

/** How an engine was found silent. */
type Silence = {
  /** By the clock of `membersOf`, ms; undefined where it is there, and refuses. */
  readonly goneSince: number | undefined;
  /** How long that took, ms. */
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
  const note = (member: Member, failure: LoomsError, tookMs: number): void => {
    const goneSince = isGone(failure) ? (silences.get(member)?.goneSince ?? monotonicMs()) : undefined;
    silences.set(member, { goneSince, tookMs, failure });
  };
  const put = async <T>(member: Member, work: Question<T>, isProof: boolean): Promise<Answered<T> | Silent> => {
    const began = monotonicMs();
    try {
      const orchestrator = await member.orchestrator();
      const value = await work(orchestrator, member);
      if (isProof) silences.delete(member);
      return { member, orchestrator, value };
    } catch (error) {
      // Who gave up the question has what came by then.
      if (isFailure(error, 'interrupted')) return { member, failure: error };
      if (!isSilence(error)) throw errorOf(member, error);
      note(member, error, monotonicMs() - began);
      return { member, failure: error };
    }
  };
  const knock = async (member: Member, work: Question<unknown>): Promise<void> => {
    if (knocked.has(member)) return;
    knocked.add(member);
    // With the question itself, as its user may not ask everything. What else it says when it is back is said to who asks next.
    await put(member, work, true).catch(() => silences.delete(member));
    knocked.delete(member);
  };
  const askOne = async <T>(member: Member, work: Question<T>, isProof: boolean): Promise<Answered<T> | Silent> => {
    const silence = silences.get(member);
    if (silence === undefined || (isProof && silence.tookMs < slowMs)) return put(member, work, isProof);
    if (isProof) void knock(member, work);
    return { member, failure: silence.failure };
  };
  const answersOf = async <T>(asked: readonly Promise<Answered<T> | Silent>[]): Promise<Answers<T>> => {
    const answers = await Promise.all(asked);
    const answered = answers.filter((one): one is Answered<T> => 'orchestrator' in one);
    return { answered, silent: answers.filter((one): one is Silent => 'failure' in one) };
  };
  return {
    all,
    ask: (work, among = all, enough) => {
      const asked = among.map((member) => ({ member, answer: askOne(member, work, true) }));
      return answersOf(enough === undefined ? asked.map(({ answer }) => answer) : inTime(asked, enough));
    },
    recall: (work) => answersOf(all.map((member) => askOne(member, work, false))),
    isLost: (member) => {
      const goneSince = silences.get(member)?.goneSince;
      return goneSince !== undefined && monotonicMs() - goneSince >= member.lostAfterMs;
    },
    seen: (member, project, names) => void servers.set(key(member, project), new Set(names)),
    expect: (member, project, names) => {
      const known = servers.get(key(member, project)) ?? [];
      servers.set(key(member, project), new Set([...known, ...names]));
    },
    lastSeen: (member, project) => servers.get(key(member, project)),
  };
}

/** Engines that did not answer, and why, a line each. */
export const silentLines = (silent: readonly Silent[]): readonly string[] =>
  silent.map(({ member, failure }) => `${member.name}: ${failure.message}`);

/** What was answered; throws the first failure where nobody answered. */
export function requireAnswer<T>({ answered, silent }: Answers<T>): readonly [Answered<T>, ...Answered<T>[]] {
  if (isNonEmpty(answered)) return answered as [Answered<T>, ...Answered<T>[]];
  const [first] = silent;
  if (first === undefined) throw new LoomsError('internal', 'several engines without one');
  const { code, hint } = first.failure;
  if (code === 'interrupted') throw first.failure;
  throw new LoomsError(code, 'none of the engines answers', {
    hint,
    detail: silentLines(silent),
    cause: first.failure,
  });
}
