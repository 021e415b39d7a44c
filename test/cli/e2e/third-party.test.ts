import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import type { Finished } from '../../support/looms.ts';
import { testProject } from '../../support/test-project.ts';
import { thirdParty } from '../../support/third-party.ts';

const thought = ['thought=a knot', 'nextThoughtNeeded=false', 'thoughtNumber=1', 'totalThoughts=1'];

/** A call of each server, and what its answer must hold. */
const calls: readonly { server: string; tools: number; call: readonly string[]; answer: RegExp }[] = [
  { server: 'thinking', tools: 1, call: ['sequentialthinking', ...thought], answer: /"thoughtHistoryLength": 1/ },
  { server: 'calc', tools: 21, call: ['math', 'expression=6*7'], answer: /42/ },
  { server: 'stray', tools: 6, call: ['days_in_month', 'date=2028-02-01'], answer: /29/ },
  { server: 'dbhub', tools: 2, call: ['execute_sql', 'sql=select count(*) as n from employee'], answer: /"n": 1000/ },
  { server: 'git', tools: 12, call: ['git_log', 'repo_path=/repo', 'max_count=1'], answer: /the first/ },
];

describe.skipIf(withoutEngine())('servers that others wrote', () => {
  const project = testProject('third');
  let applied: Finished;

  beforeAll(async () => {
    applied = await project.apply(thirdParty);
  }, 600_000);
  afterAll(() => project.remove());

  test('are applied, and have all passed their gate', () => {
    expect(applied, applied.stderr).toExit(0);
  });

  test.each(calls)('$server lists $tools tools and answers a call', async ({ server, tools, call, answer }) => {
    const listed = await project.run(['mcp', 'tools', server, '--json']);
    expect(JSON.parse(listed.stdout)).toHaveLength(tools);
    const { code, stdout, stderr } = await project.run(['mcp', 'call', server, ...call]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(answer);
  });

  test('leave no process of a session behind', async () => {
    for (const { server } of calls) {
      // A server that is known to end with its input is told so, and not waited for by the call.
      await eventually(async () => {
        const { Processes } = await project.container(server).top();
        expect(Processes.filter((one: readonly string[]) => !/sleep|docker-init|tini/.test(one.join(' ')))).toEqual([]);
      }, 10_000);
    }
  });
});
