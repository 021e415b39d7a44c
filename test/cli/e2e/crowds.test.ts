import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const limits = (limit: object) => ({ backend: { resource_limits: limit } });

/**
 * Put before a tiny server: its third session, beside an open one, starts processes until the kernel refuses one, and then
 * does as Node does where it gets no thread: aborts without a word, or hangs.
 */
const refusedOnce = (end: string): string => `
const fs = require('node:fs');
const stage = ['gate', 'held', 'refused'].find((name) => !fs.existsSync('/tmp/' + name));
if (stage !== undefined) fs.writeFileSync('/tmp/' + stage, '');
if (stage === 'refused') {
  for (let left = 60; left > 0; left -= 1) require('node:child_process').spawn('sleep', ['3']).on('error', () => {});
  ${end}
}
`;
const refused = (name: string, end: string, timeoutSeconds: number): string => {
  const spec = tinySpec({ name, timeoutSeconds });
  const [, script = ''] = JSON.parse(spec).mcp_server.args as readonly string[];
  return changed(spec, { args: ['-e', refusedOnce(end) + script], ...limits({ pids_limit: 40 }) });
};

describe.skipIf(withoutEngine())('many programs that call one server at once', () => {
  const project = testProject('crowds');
  /** What `count` programs that run beside one another end with, each once; warnings of a busy machine are none. */
  const outcomes = async (count: number, ...args: string[]) => {
    const runs = await Promise.all(Array.from({ length: count }, () => project.run(['mcp', 'call', ...args])));
    const ends = runs.map(({ code, stdout, stderr }) => `${code} ${stdout.trim()}${code === 0 ? '' : stderr}`);
    return [...new Set(ends)].join('\n');
  };

  beforeAll(async () => {
    const { code, stderr } = await project.apply(
      specs(
        changed(tinySpec({ name: 'narrow', timeoutSeconds: 120 }), limits({ pids_limit: 40 })),
        changed(tinySpec({ name: 'small', timeoutSeconds: 120 }), limits({ memory_mb: 128 })),
        changed(tinySpec({ name: 'full', timeoutSeconds: 10 }), limits({ pids_limit: 30 })),
        changed(httpSpec('web'), { timeoutSeconds: 120 }),
        refused('late', 'process.abort();', 60),
        // It hears nothing, and goes on.
        refused('stuck', 'process.stdin.on = () => {}; setInterval(() => {}, 1e6);', 30),
      ),
    );
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  });
  afterAll(() => project.remove());

  test.each(['narrow', 'small'])(
    'twenty of them wait their turn where three or four have room, and all are answered (%s)',
    async (server) => {
      expect(await outcomes(20, server, 'echo', 'text=hi')).toBe('0 hi');
    },
    240_000,
  );

  test('fifty of them are answered over HTTP, through the relay', async () => {
    expect(await outcomes(50, 'web', 'digest')).toMatch(/^0 [0-9a-f]{64}$/);
  }, 240_000);

  test.each(['late', 'stuck'])(
    'one that the kernel refuses a process while it starts, after there was room for it, is begun again (%s)',
    async (server) => {
      const holder = project.start(['mcp', 'call', server, 'wait']);
      await eventually(async () => {
        const listed = await project.container(server).top({ ps_args: '-eo pid,args' });
        expect((listed as { Processes: string[][] }).Processes.join('\n')).toMatch(/timeout .* node -e/);
      }, 30_000);
      const { code, stdout, stderr } = await project.run(['mcp', 'call', server, 'echo', 'text=hi']);
      expect({ code, stdout, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stdout: 'hi\n', stderr: '' });
      holder.child.kill('SIGINT');
      expect((await holder.finished).code).toBe(130);
    },
    120_000,
  );

  test('who finds no room in time is told what there is too little of, and what to write', async () => {
    const holders = ['first', 'second'].map(() => project.start(['mcp', 'call', 'full', 'wait']));
    const sessions = async (): Promise<number> => {
      const { Processes } = (await project.container('full').top({ ps_args: '-eo pid,args' })) as {
        Processes: string[][];
      };
      return Processes.filter((row) => /timeout .* node -e/.test(row.join(' '))).length;
    };
    await eventually(async () => expect(await sessions()).toBe(2), 20_000);
    const { code, stdout, stderr } = await project.run(['mcp', 'call', 'full', 'echo', 'text=hi']);
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(
      /^error\[server-crowded\]: full has no room for another session: 2 are open, \d+ of 30 processes and threads are taken\nhint: raise docker_backend\.resource_limits\.pids_limit /,
    );
    for (const { child } of holders) child.kill('SIGINT');
    for (const { finished } of holders) expect((await finished).code).toBe(130);
    expect(await outcomes(1, 'full', 'echo', 'text=hi')).toBe('0 hi');
  }, 60_000);
});
