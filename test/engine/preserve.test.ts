import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineBench } from '../support/docker-engine.ts';
import { engineBench } from '../support/docker-engine.ts';

const without = process.env.LOOMS_TEST_NO_ENGINE;
if (without) console.log(`skipped: ${without}`);

describe.skipIf(without !== undefined)('copying a path between containers', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('preserve');
  });
  afterAll(() => bench?.close());

  it('carries files with owner and mode, and passes over what is not there', async () => {
    const writable = { readOnlyRoot: false, user: '0:0', capDrop: [] };
    const old = await bench.run('old', writable);
    await bench.exec(old, [
      'sh',
      '-c',
      'mkdir -p /state/deep && echo kept > /state/deep/file && chown 1000:1000 /state/deep/file && chmod 640 /state/deep/file',
    ]);
    const next = await bench.create('next', writable);
    await bench.engine.copyPath(old, next, '/state');
    await bench.engine.copyPath(old, next, '/nothing-here');
    await bench.engine.startContainer(next);
    const seen = await bench.exec(next, ['sh', '-c', 'stat -c "%u:%g %a" /state/deep/file; cat /state/deep/file']);
    expect(seen.stdout.trim().split('\n')).toEqual(['1000:1000 640', 'kept']);
  });

  it('refuses a path that is a link, and takes links inside as what they are', async () => {
    const writable = { readOnlyRoot: false, user: '0:0', capDrop: [] };
    const old = await bench.run('links', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir /real && ln -s /etc/passwd /real/link && ln -s /real /link']);
    const next = await bench.create('links-next', writable);
    await expect(bench.engine.copyPath(old, next, '/link')).rejects.toMatchObject({
      code: 'engine-rejected',
      message: expect.stringContaining('the path itself is a link'),
    });
    await bench.engine.copyPath(old, next, '/real');
    await bench.engine.startContainer(next);
    const seen = await bench.exec(next, ['sh', '-c', 'readlink /real/link; test -e /link || echo none']);
    expect(seen.stdout.trim().split('\n')).toEqual(['/etc/passwd', 'none']);
  });
});
