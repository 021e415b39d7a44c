import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { WatchEvent } from '../../src/cli/render/watch-lines.ts';
import { eventually } from './eventually.ts';
import { emptyFolder, type RunOptions } from './looms.ts';
import { schemaProblems } from './schemas.ts';
import type { TestProject } from './test-project.ts';
import { specs } from './tiny-server.ts';

/** How soon something has to be seen that takes no timer: a busy machine takes its time. */
export const soonMs = 60_000;

/** Loops that were begun: one that a failed test leaves would make again what is removed after the test. */
const loops: ReturnType<TestProject['start']>[] = [];

/** Ends all loops that were begun. */
export async function endLoops(): Promise<void> {
  for (const { child, finished } of loops.splice(0)) {
    child.kill('SIGKILL');
    await finished;
  }
}

/** A command that keeps a project until it is ended, with what it told so far. */
export const watchLoop = (project: TestProject, ...words: readonly string[]) => watchLoopWith(project, {}, ...words);

/** The same in an environment of its own. */
export function watchLoopWith(project: TestProject, options: RunOptions, ...words: readonly string[]) {
  const often = words.includes('--interval') ? [] : ['--interval', '2s'];
  const run = project.start([...words, '--json', ...often], options);
  loops.push(run);
  const events = (): WatchEvent[] =>
    run
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter((line) => 'type' in line);
  const of = <T extends WatchEvent['type']>(type: T) =>
    events().filter((event): event is Extract<WatchEvent, { type: T }> => event.type === type);
  const told = (type: WatchEvent['type'], count = 1) =>
    eventually(() => expect(of(type).length, run.stdout() + run.stderr()).toBeGreaterThanOrEqual(count), soonMs);
  const ended = async () => {
    run.child.kill('SIGINT');
    const { code } = await run.finished;
    for (const event of events()) expect(schemaProblems('watch-event', event), JSON.stringify(event)).toEqual([]);
    return code;
  };
  return { ...run, events, of, told, ended };
}

/** A folder of its own with these specs in one file. */
export function specFolder(...texts: readonly string[]): string {
  const folder = join(emptyFolder(), 'specs');
  mkdirSync(folder);
  writeFileSync(join(folder, 'mcp.yaml'), specs(...texts));
  return folder;
}
