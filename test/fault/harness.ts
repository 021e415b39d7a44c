import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { emptyFolder } from '../support/looms.ts';
import { type TestProject, testProject } from '../support/test-project.ts';
import { type Bench, type CutResult, cut, prepare, undisturbed } from './cut.ts';
import { type Fault, faults } from './faults.ts';
import { projectLabel, removeLeftovers } from './leftovers.ts';
import { startProbing } from './probing.ts';
import { startProxy } from './proxy.ts';
import { type ProjectState, stateOf } from './state.ts';
import { type Pointless, type Transition, transitions } from './transitions.ts';

export type CutPoint = { readonly fault: string; readonly at: number };

/** A transition with what its cuts came to. */
export type Tally = {
  readonly transition: string;
  readonly cuts: number;
  readonly converged: number;
  readonly orphans: number;
  readonly duplicates: number;
  /** undefined: nothing was promised to answer. */
  readonly failedCalls: number | undefined;
  /** Whether its project was gone at the end. */
  readonly isClean: boolean;
};

export type HarnessOptions = {
  readonly transitions: readonly Transition[];
  /** Which of a transition's cuts are run. */
  readonly choose: (points: readonly CutPoint[]) => readonly CutPoint[];
  /** Transitions at once. */
  readonly parallelism: number;
  readonly report: (line: string) => void;
  /** Aborted: no further cut begins. */
  readonly signal?: AbortSignal;
};

/** The engine's own socket; the proxy stands before nothing else. */
function engineSocket(): string {
  const host = process.env.DOCKER_HOST || 'unix:///var/run/docker.sock';
  if (!host.startsWith('unix://')) throw new Error(`the fault harness needs an engine on a Unix socket, not ${host}`);
  return host.slice('unix://'.length);
}

/** Each fault at each of the writing calls, but for those that a transition calls pointless. */
export const pointsOf = (
  calls: readonly string[],
  pointless: Readonly<Record<string, Pointless>>,
): readonly CutPoint[] =>
  Object.keys(faults).flatMap((fault) => {
    const rule = pointless[fault];
    const first = rule === undefined ? 0 : calls.findIndex((call) => call.includes(rule.before));
    if (first < 0) throw new Error(`no writing call has ${rule?.before}, before which ${fault} is pointless`);
    return calls.slice(first).map((_, index) => ({ fault, at: first + index + 1 }));
  });

/** Numbers from 0 to below 1 that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` of the points, in an order that follows from `random`; each fault comes once before one comes twice. */
export function sample(points: readonly CutPoint[], count: number, random: () => number): readonly CutPoint[] {
  const shuffled = points.map((point) => ({ point, key: random() })).sort((a, b) => a.key - b.key);
  const seen = new Map<string, number>();
  return shuffled
    .map(({ point }, index) => {
      const round = seen.get(point.fault) ?? 0;
      seen.set(point.fault, round + 1);
      return { point, round, index };
    })
    .sort((a, b) => a.round - b.round || a.index - b.index)
    .slice(0, count)
    .map(({ point }) => point);
}

const faultNamed = (name: string): Fault => {
  const fault = faults[name];
  if (fault === undefined) throw new Error(`there is no fault ${name}`);
  return fault;
};

/**
 * Whether nothing is left of a project but networks that nothing is on. Engine 20.10 can lose count of the endpoints of
 * a network (seen after 528 cuts on one: 403 "has active endpoints", and none in its list).
 */
async function holdsNetworksOnly({ docker, isOurs, volumes }: TestProject): Promise<boolean> {
  const containers = await docker.listContainers({ all: true });
  const ours = containers.filter(({ Names, Labels }) => isOurs(Names.join(), Labels));
  const networks = (await docker.listNetworks()).filter(({ Name, Labels }) => isOurs(Name, Labels));
  const members = await Promise.all(
    networks.map(async ({ Id }) => Object.keys((await docker.getNetwork(Id).inspect()).Containers ?? {})),
  );
  return ours.length + (await volumes()).length + members.flat().length === 0;
}

async function cutAll(transition: Transition, { choose, report, signal }: HarnessOptions): Promise<Tally> {
  const project = testProject(projectLabel(transition.name));
  const folder = emptyFolder();
  const proxy = await startProxy(join(folder, 'engine.sock'), engineSocket());
  let probing: Bench['probing'];
  const results: CutResult[] = [];
  let isClean = true;
  try {
    const ends: ProjectState[] = [];
    let calls: readonly string[] = [];
    const bench = (): Bench => {
      const [even, odd] = ends;
      const nothing: ProjectState = { lines: [], names: [], duplicates: [] };
      return { transition, project, proxy, probing, ends: [even ?? nothing, odd ?? nothing] };
    };
    for (const turn of [0, 1]) {
      await prepare({ transition, project }, turn, turn > 0);
      // Those of the second run: the first may have had an image to build, which no cut meets again.
      calls = await undisturbed(bench(), turn);
      ends.push(await stateOf(project.docker, project.name));
    }
    const chosen = choose(pointsOf(calls, transition.pointless ?? {}));
    report(`${transition.name}: ${calls.length} writing calls, ${chosen.length} cuts`);
    if (transition.probes.length > 0) {
      await prepare({ transition, project }, 2, true);
      probing = startProbing(project.name, transition.probes);
      await probing.answered();
    }
    for (const [index, { fault, at }] of chosen.entries()) {
      if (signal?.aborted) break;
      const isThere = results.at(-1)?.converged ?? true;
      if (!isThere) await project.remove();
      await prepare({ transition, project }, index + 2, isThere);
      if (!isThere) await probing?.answered();
      const result = await cut(bench(), index + 2, faultNamed(fault), at);
      results.push(result);
      const place = `${transition.name} ${fault} at ${at}${result.call === undefined ? ' (not reached)' : ` (${result.call})`}`;
      report([`${result.detail.length === 0 ? 'ok    ' : 'FAILED'} ${place}`, ...result.detail].join('\n    '));
    }
  } finally {
    await probing?.end();
    await proxy.close();
    rmSync(folder, { recursive: true, force: true });
    // What was cut counts, also where the engine cannot let go of something.
    await project.remove().catch(async (error: unknown) => {
      isClean = await holdsNetworksOnly(project);
      const why = isClean
        ? 'the engine counts endpoints on its network that are gone, until it is restarted'
        : String(error);
      report(`${isClean ? 'LEFT  ' : 'FAILED'} ${transition.name}: its project was not removed: ${why}`);
    });
  }
  // Steps run at once: now and then a run has a call less than the undisturbed one, and its last cut meets nothing.
  const missed = results.filter(({ call, converged }) => call === undefined && converged);
  const sum = (key: 'orphans' | 'duplicates' | 'failedCalls'): number =>
    results.reduce((all, one) => all + one[key], 0);
  return {
    transition: transition.name,
    cuts: results.length - missed.length,
    converged: results.filter(({ converged }) => converged).length - missed.length,
    orphans: sum('orphans'),
    duplicates: sum('duplicates'),
    failedCalls: transition.probes.length === 0 ? undefined : sum('failedCalls'),
    isClean,
  };
}

/** Runs the cuts of some transitions, each on a project of its own, which is removed again also after a failure. */
export async function runHarness(options: HarnessOptions): Promise<readonly Tally[]> {
  await removeLeftovers(new Docker()).catch((error: unknown) =>
    options.report(`LEFT   by another harness, ${String(error)}`),
  );
  const queue = options.transitions.entries();
  const tallies: Tally[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, transition] of queue) {
      if (options.signal?.aborted) return;
      try {
        tallies[index] = await cutAll(transition, options);
      } catch (error) {
        // The others go on; what happened is told now, and again at the end.
        options.report(`FAILED ${transition.name}: ${error instanceof Error ? error.message : String(error)}`);
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: options.parallelism }, worker));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  return tallies.filter((tally) => tally !== undefined);
}

/** A tally a line, and their sum: all zero but the first two columns, which are equal, when all is well. */
export function tallyTable(tallies: readonly Tally[]): string {
  const heads = ['transition', 'cut points', 'converged', 'orphans', 'duplicates', 'failed calls'];
  const cells = (one: Tally): string[] =>
    [one.transition, one.cuts, one.converged, one.orphans, one.duplicates, one.failedCalls ?? '-'].map(String);
  const total = tallies.reduce<Tally>(
    (all, one) => ({
      transition: 'all',
      cuts: all.cuts + one.cuts,
      converged: all.converged + one.converged,
      orphans: all.orphans + one.orphans,
      duplicates: all.duplicates + one.duplicates,
      failedCalls: (all.failedCalls ?? 0) + (one.failedCalls ?? 0),
      isClean: all.isClean && one.isClean,
    }),
    { transition: 'all', cuts: 0, converged: 0, orphans: 0, duplicates: 0, failedCalls: 0, isClean: true },
  );
  const rows = [heads, ...tallies.map(cells), cells(total)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const padded = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return rows.map(padded).join('\n');
}

export const isGood = (tallies: readonly Tally[]): boolean =>
  tallies.every(
    ({ cuts, converged, orphans, duplicates, failedCalls = 0, isClean }) =>
      cuts > 0 && cuts === converged && orphans + duplicates + failedCalls === 0 && isClean,
  );

/** What `npm test` runs: a few cuts of each transition, others each time. */
export const subset = { cuts: 3 } as const;

export const transitionNamed = (name: string): Transition => {
  const found = transitions.find((one) => one.name === name);
  if (found === undefined) {
    throw new Error(`there is no transition ${name}; there are ${transitions.map((one) => one.name).join(', ')}`);
  }
  return found;
};
