import { setTimeout as delay } from 'node:timers/promises';
import { type Finished, startLooms } from '../support/looms.ts';
import type { TestProject } from '../support/test-project.ts';
import { type Fault, takesFilesAway, takesServiceAway } from './faults.ts';
import { interfere } from './outside.ts';
import type { Probing } from './probing.ts';
import type { Armed, EngineProxy } from './proxy.ts';
import { type ProjectState, stateOf } from './state.ts';
import { type Command, type Transition, writeKept } from './transitions.ts';

/** A project of its own on which one transition is cut again and again. */
export type Bench = {
  readonly transition: Transition;
  readonly project: TestProject;
  readonly proxy: EngineProxy;
  readonly probing: Probing | undefined;
  /** Where an undisturbed run of an even and of an odd turn ends. */
  readonly ends: readonly [ProjectState, ProjectState];
};

export type CutResult = {
  /** The call that was met; undefined when the run had fewer. */
  readonly call: string | undefined;
  readonly converged: boolean;
  readonly orphans: number;
  readonly duplicates: number;
  readonly failedCalls: number;
  /** What was seen, when not all is well. */
  readonly detail: readonly string[];
};

/** How long a call or an answer is held: looms gives up at once, unless it gives its lock back, which it waits for. */
const heldAtMostMs = 3_000;
/** Between a first and a second Ctrl-C. */
const hesitationMs = 100;

type Run = {
  readonly finished: Promise<Finished>;
  readonly kill: () => Promise<void>;
  /** Ctrl-C twice: looms stops waiting. */
  readonly interrupt: () => Promise<void>;
};

function start({ project, proxy }: Bench, { args, stdin }: Command): Run {
  const { child, finished } = startLooms([...args, '--project', project.name], {
    env: { DOCKER_HOST: proxy.host },
    ...(stdin === undefined ? {} : { stdin }),
  });
  return {
    finished,
    kill: async () => {
      child.kill('SIGKILL');
      await finished;
    },
    interrupt: async () => {
      child.kill('SIGINT');
      await delay(hesitationMs);
      child.kill('SIGINT');
      await Promise.race([finished, delay(heldAtMostMs, undefined, { ref: false })]);
    },
  };
}

/** One run through the proxy, cut at call `at`; every call is passed on when `fault` is undefined. */
async function runCut(
  bench: Bench,
  command: Command,
  at: number,
  fault: Armed['fault'] | undefined,
): Promise<Finished> {
  const { proxy, project } = bench;
  // Armed before the run begins, so the run is looked up when the call comes.
  let run: Run | undefined;
  const gaveUp = async (): Promise<void> => run?.interrupt();
  const kill = async (): Promise<void> => run?.kill();
  const act = async (): Promise<void> => {
    if (fault?.kind === 'actor') await interfere(project.docker, project.name, fault.deed, at);
  };
  proxy.reset(fault && { at, fault, kill, gaveUp, act });
  run = start(bench, command);
  return run.finished;
}

/** Runs a command to its end with nothing going wrong, and tells its writing calls. */
export async function undisturbed(bench: Bench, turn: number): Promise<readonly string[]> {
  const { code, stdout, stderr } = await runCut(bench, bench.transition.command(turn), 0, undefined);
  if (code !== 0) throw new Error(`undisturbed, it ended with ${code}\n${stdout}\n${stderr}`);
  return bench.proxy.calls();
}

/** The project at the beginning of a turn, with what must be kept in its place; `isThere`: the turn before went well. */
export async function prepare(
  { transition, project }: Pick<Bench, 'transition' | 'project'>,
  turn: number,
  isThere: boolean,
): Promise<void> {
  if (!(isThere && transition.chained)) await transition.prepare(project, turn);
  for (const server of transition.keepers) await writeKept(project, server);
}

const withoutData = (line: string): string => line.replace(/ \| data [^|]*/, '');

const said = (which: string, { code, stdout, stderr }: Finished): string[] => [
  `${which} ended with ${code}`,
  ...`${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-25)
    .map((line) => `  ${line}`),
];

/** Lines that one side has and the other has not. */
function differences(wanted: readonly string[], found: readonly string[]): string[] {
  const missing = wanted.filter((line) => !found.includes(line)).map((line) => `missing: ${line}`);
  return [...missing, ...found.filter((line) => !wanted.includes(line)).map((line) => `not wanted: ${line}`)];
}

type Story = { readonly call: string | undefined; readonly lines: readonly string[] };

/** The run that is cut, and what else goes wrong before the next one. */
async function disturb(bench: Bench, command: Command, fault: Fault, at: number): Promise<Story> {
  const { proxy } = bench;
  if (fault.kind !== 'stale') {
    const lines = said('the run that was cut', await runCut(bench, command, at, fault));
    return { call: proxy.calls()[at - 1], lines };
  }
  proxy.lists('keep');
  await runCut(bench, command, at, { kind: 'kill', moment: 'unanswered' });
  const call = proxy.calls()[at - 1];
  proxy.lists('serve');
  const lines = said('the run with old lists', await runCut(bench, command, 0, undefined));
  proxy.lists('pass');
  return { call, lines };
}

/** Cuts turn `turn` at its writing call `at`, lets looms run again, and holds what is there against an undisturbed run. */
export async function cut(bench: Bench, turn: number, fault: Fault, at: number): Promise<CutResult> {
  const { project, probing, transition, ends } = bench;
  const command = transition.command(turn);
  probing?.take();
  const { call, lines: story } = await disturb(bench, command, fault, at);
  const next = await project.run(command.args, command.stdin === undefined ? {} : { stdin: command.stdin });
  const state = await stateOf(project.docker, project.name);
  const wanted = ends[turn % 2 === 0 ? 0 : 1];
  const compared = (lines: readonly string[]): readonly string[] =>
    takesFilesAway(fault) ? lines.map(withoutData) : lines;
  const wrong = differences(compared(wanted.lines), compared(state.lines));
  if (takesServiceAway(fault)) await probing?.answered();
  const calls = probing?.take() ?? [];
  const failed = takesServiceAway(fault) ? [] : calls.filter(({ error }) => error !== undefined);
  const result = {
    call,
    converged: next.code === 0 && wrong.length === 0,
    orphans: state.names.filter((name) => !wanted.names.includes(name)).length,
    duplicates: state.duplicates.length,
    failedCalls: failed.length,
  };
  const isGood = result.converged && result.orphans + result.duplicates + result.failedCalls === 0;
  const detail = [...story, ...said('the next run', next), ...wrong, ...failed.map((one) => JSON.stringify(one))];
  return { ...result, detail: isGood ? [] : detail };
}
