import type { GitSource } from '../../files/port.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import { failureOf } from '../../model/failure.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { type Change, isInSync } from '../../model/plan.ts';
import type { Policies } from '../../model/policy.ts';
import { defined } from '../../model/values/defined.ts';
import { sha256 } from '../../model/values/sha256.ts';
import type { Prepared } from '../../orchestrator/port.ts';
import type { LoadedSpecs } from '../plan/load-specs.ts';
import { requirePolicy } from '../plan/plan-work.ts';
import type { Ports } from '../ports.ts';
import type { LoopRecord } from './loop-record.ts';
import { readStill } from './read-still.ts';
import type { sayOnce } from './say-once.ts';
import type { Commits, Told } from './told.ts';

/** What was read last, and the policies of the last look: those may be newer. */
export type Source = { readonly loaded: LoadedSpecs; readonly digest: string; readonly policies: Policies };

export type SourceOptions = {
  readonly project: ProjectName;
  /** Reads the policies; throws what keeps them from being used. */
  readonly readPolicies: () => Promise<Policies>;
  /** Reads the source, which these policies allow; throws what makes it unusable. */
  readonly read: (policies: Policies) => Promise<LoadedSpecs>;
  /** Where the source comes from, when that is a repository elsewhere. */
  readonly remote?: GitSource;
  readonly tell: (told: Told) => void;
  readonly record: LoopRecord;
  /** Begin nothing new. */
  readonly stop: AbortSignal;
};

/** Which commits specs are of. */
export const commitsOf = ({ servers }: LoadedSpecs): Commits => {
  const [commitBy] = servers.flatMap(({ source }) => source.commitBy ?? []);
  return { commits: [...new Set(servers.flatMap(({ source }) => source.commit ?? []))], ...defined({ commitBy }) };
};

const digestOf = ({ servers }: LoadedSpecs): string =>
  sha256(JSON.stringify(servers.map(({ spec, hash, place }) => [spec.name, hash, spec.enabled, place])));

type ReadSource = {
  /** What is declared; undefined as long as nothing could be read. Throws `refused` where a newer policy forbids what was read last. */
  readonly read: () => Promise<Source | undefined>;
  /** What was read last. */
  readonly last: () => Source | undefined;
  /**
   * Asks the source once more before a plan that was made of it is carried out: another loop may have applied what is
   * declared since, and what was read here would take that back. Throws `plan-stale` where something else is declared by
   * now, and `source-unreachable` where that cannot be found out and the plan is more than a repair.
   */
  readonly requireSame: (planned: Source, again: Prepared) => Promise<void>;
};

/** How long a repository is waited for while the lock is held, ms: repairs go on without its answer. */
const longestAskMs = 15_000;

/** Whether a change takes a server from one declaration to another, which may be the newer one, or removes it. */
export const redeclares = (change: Change): boolean =>
  change.action === 'remove' ||
  ('reasons' in change &&
    change.reasons.some(({ kind }) => kind === 'spec-changed' || kind === 'disabled' || kind === 'moved'));

/**
 * Carries a plan out, and where it cannot be found out whether something newer is declared, only its repairs, planned by
 * `planOf`: a server that is declared otherwise keeps no other from being repaired. Throws what `run` throws, also
 * `source-unreachable` once the repairs are made, as what is left of the plan still waits for the answer.
 */
export async function runOrRepair<T extends Prepared>(
  work: T,
  run: (work: T) => Promise<void>,
  planOf: (servers: readonly ServerName[]) => Promise<T>,
): Promise<void> {
  try {
    await run(work);
  } catch (error) {
    if (!isFailure(error, 'source-unreachable')) throw error;
    const changes = work.plan.changes.filter(({ action }) => action !== 'unchanged');
    const servers = changes.filter((change) => !redeclares(change)).map(({ server }) => server);
    if (servers.length > 0 && servers.length < changes.length) {
      const repairs = await planOf(servers);
      if (!isInSync(repairs.plan)) await run(repairs);
    }
    throw error;
  }
}

/**
 * What a loop keeps, read anew for each look. A source that cannot be read whole changes nothing: what it said last stays
 * in force, within the policies as they are by then. `onOther` hears of servers that are declared otherwise.
 */
export function createSource(
  ports: Ports,
  { project, readPolicies, read, remote, tell, record, stop }: SourceOptions,
  said: ReturnType<typeof sayOnce>,
  onOther: (servers: LoadedSpecs['servers']) => void,
): ReadSource {
  let source: Source | undefined;

  const readNow = (policies: Policies): Promise<LoadedSpecs> => {
    // What is taken of a repository is there whole, or not at all.
    if (remote !== undefined) return read(policies);
    return readStill(ports, { read: () => read(policies), digestOf, known: source?.digest, signal: stop });
  };

  const askRemote = async ({ look }: GitSource, again: Prepared): Promise<void> => {
    const limit = AbortSignal.timeout(longestAskMs);
    try {
      await look(AbortSignal.any([stop, limit]));
    } catch (error) {
      stop.throwIfAborted();
      const isAway = limit.aborted || isFailure(error, 'source-unreachable');
      // A commit that is refused, or a path that is gone, is the answer of a repository: what it said before stays in force.
      if (!isAway || !again.plan.changes.some(redeclares)) return;
      throw limit.aborted ? noAnswer : error;
    }
  };

  /** What is declared now, by its digest. Throws what keeps it from being used. */
  const digestNow = async (): Promise<string> => {
    const loaded = await read(await readPolicies());
    if (loaded.servers.length === 0) throw emptySource;
    return digestOf(loaded);
  };

  return {
    last: () => source,
    async requireSame(planned, again) {
      if (remote !== undefined) await askRemote(remote, again);
      // What cannot be used changes nothing here either: the plan is of what was declared last.
      const now = await digestNow().catch(() => planned.digest);
      if (now !== planned.digest) throw declaredOtherwise;
    },
    async read() {
      let policies = source?.policies ?? [];
      try {
        ports.forgetSecrets();
        policies = await readPolicies();
        const loaded = await readNow(policies);
        if (loaded.servers.length === 0) throw emptySource;
        const digest = digestOf(loaded);
        said.back('source');
        const commits = commitsOf(loaded);
        record.sourceRead(remote === undefined ? 'files' : 'git', commits);
        if (source !== undefined && source.digest !== digest) {
          tell({ type: 'source-changed', servers: loaded.servers.length, ...commits });
        }
        if (source?.digest !== digest) onOther(loaded.servers);
        source = { loaded, digest, policies };
      } catch (error) {
        const failure = failureOf(error);
        said.unusable(failure, source === undefined ? null : source.loaded.servers.length);
        if (source === undefined) return undefined;
        source = { ...source, policies };
        requirePolicy(
          source.loaded.servers.map(({ spec }) => spec),
          policies,
          { project, now: ports.now() },
          noLongerAllowed,
        );
      }
      return source;
    },
  };
}

/** Whoever wants no server any more says so with `looms delete`: an empty folder is rather a mistake (docs/commands.md). */
const emptySource = new LoomsError('refused', 'the files hold no server', {
  hint: 'looms delete --all removes all servers of a project',
});

/** What `requireSame` throws where the declaration has changed; another plan that is stale is so for another reason. */
export const declaredOtherwise = new LoomsError('plan-stale', 'something else is declared by now');

const noAnswer = new LoomsError(
  'source-unreachable',
  `the repository did not answer within ${longestAskMs / 1000} s whether something newer is declared`,
);

const noLongerAllowed = {
  message: 'what was declared last breaks the policy as it is now',
  hint: 'change the specs, or have the policy changed',
};
