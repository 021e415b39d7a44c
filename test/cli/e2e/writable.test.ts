import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const backends = {
  plain: {},
  placed: { working_dir: '/srv/deep' },
  over: { security: { tmpfs: { '/tmp': '16m', '/var/cache': '16m' } } },
};

describe.skipIf(withoutEngine())('a server whose root is read only', () => {
  const project = testProject('writable');

  beforeAll(async () => {
    const yaml = specs(...Object.entries(backends).map(([name, backend]) => changed(tinySpec({ name }), { backend })));
    expect(await project.apply(yaml)).toExit(0);
    expect((await project.diff(yaml)).code).toBe(0);
  });
  afterAll(() => project.remove());

  /** Exit code of a shell in the server's container, as its own user. */
  const shell = async (server: string, script: string): Promise<number | null> => {
    const exec = await project.container(server).exec({ Cmd: ['sh', '-c', script], AttachStdout: true });
    const stream = await exec.start({});
    await new Promise((resolve) => stream.on('end', resolve).resume());
    return (await exec.inspect()).ExitCode;
  };

  test.each([
    ['plain', '/workspace'],
    ['plain', '/tmp'],
    ['placed', '/srv/deep'],
    ['over', '/var/cache'],
    ['over', '/workspace'],
  ])('%s may write to %s', async (server, folder) => {
    expect(await shell(server, `echo x > ${folder}/file && grep -q x ${folder}/file`)).toBe(0);
  });

  test('may write nowhere else', async () => {
    for (const folder of ['/', '/etc', '/opt', '/home']) expect(await shell('plain', `touch ${folder}/x`)).not.toBe(0);
  });
});
