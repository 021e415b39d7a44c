import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlProgram } from '../support/kubectl.ts';
import { emptyFolder, type Finished, looms, startLooms } from '../support/looms.ts';
import { changed } from '../support/odd-servers.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

describe.skipIf(kubectlProgram === '')('a project on a Docker Engine and a cluster', () => {
  const project = `e2e-kube-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const cwd = emptyFolder();
  const env = { KUBECONFIG: process.env.KUBECONFIG ?? '' };
  const run = (...args: readonly string[]): Promise<Finished> => looms([...args, '--project', project], { cwd, env });
  const apply = async (...texts: readonly string[]): Promise<Finished> => {
    writeFileSync(join(cwd, 'mcp.yaml'), specs(...texts));
    return run('apply', '--yes');
  };
  const on = (engine: string, spec: string): string => changed(spec, { place: { engines: [engine] } });
  const places = async (): Promise<string[]> =>
    JSON.parse((await run('get', '--json')).stdout).map(
      (one: { name: string; engine: string }) => `${one.name} on ${one.engine}`,
    );
  const says = async (server: string, text: string) =>
    expect(await run('mcp', 'call', server, 'echo', `text=${text}`)).toMatchObject({ code: 0, stdout: `${text}\n` });
  const answers = async (server: string) => {
    const asked = await run('mcp', 'tools', server);
    expect(asked, asked.stderr).toExit(0);
  };
  const fs = tinySpec({ name: 'fs' });
  const web = tinyHttpSpec({ name: 'web' });

  beforeAll(() => {
    writeFileSync(join(cwd, 'looms.yaml'), JSON.stringify({ engines: { office: {}, cluster: { kubernetes: {} } } }));
  });
  afterAll(async () => {
    await run('delete', '--all', '--yes');
    await run('prune', '--history', '--yes');
    await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false']);
  });

  it('is one plan, one list and one way to call servers of both kinds', async () => {
    const applied = await apply(on('office', fs), on('cluster', web));
    expect(applied, applied.stderr).toExit(0);
    expect(await places()).toEqual(['fs on office', 'web on cluster']);
    await says('fs', 'a container');
    await answers('web');
    expect(await run('diff')).toExit(0);
    const posture = await run('posture', '--json');
    expect(JSON.parse(posture.stdout).map(({ server }: { server: string }) => server)).toEqual(['fs', 'web']);
    const logs = await run('stats', '--no-stream', '--json');
    expect(logs, logs.stderr).toExit(0);
  });

  it('moves servers from one to the other and back, without a call through a gateway that fails', async () => {
    const gateway = startLooms(['serve', '--listen', '127.0.0.1:0', '--json', '--project', project], { cwd, env });
    try {
      await eventually(() => expect(gateway.stdout()).toContain('http://'), 60_000);
      for (const [fsOn, webOn] of [
        ['cluster', 'office'],
        ['office', 'cluster'],
      ] as const) {
        let isMoved = false;
        const moving = apply(on(fsOn, fs), on(webOn, web)).finally(() => {
          isMoved = true;
        });
        let calls = 0;
        do {
          await Promise.all([says('fs', `call ${calls}`), answers('web')]);
          calls += 1;
        } while (!isMoved);
        console.log(`${calls} calls of each of two servers that changed engines, none failed`);
        expect(await moving).toExit(0);
        expect(await places()).toEqual([`fs on ${fsOn}`, `web on ${webOn}`]);
        expect(await run('diff')).toExit(0);
      }
    } finally {
      gateway.child.kill('SIGINT');
      await gateway.finished;
    }
  });

  it('keeps a server where it is that does not pass its gate on the other engine', async () => {
    const broken = changed(on('cluster', fs), { args: ['-e', 'process.exit(3)'] });
    const failed = await apply(broken, on('cluster', web));
    expect(failed).toExit(4);
    expect(await places()).toContain('fs on office');
    await says('fs', 'as before');
  });
});
