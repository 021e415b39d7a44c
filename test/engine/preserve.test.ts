import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineBench } from '../support/docker-engine.ts';
import { engineBench } from '../support/docker-engine.ts';
import { onPodman, skipOnPodman } from '../support/podman.ts';

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
    expect(seen.stdout.trim().split('\n')).toEqual([(await onPodman()) ? '0:0 640' : '1000:1000 640', 'kept']);
  });

  it('leaves to a user what was its own', async () => {
    const writable = { readOnlyRoot: false };
    const old = await bench.run('own-old', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir -m 700 /var/tmp/mine && echo kept > /var/tmp/mine/file']);
    const next = await bench.create('own-next', writable);
    await bench.engine.copyPath(old, next, '/var/tmp/mine');
    await bench.engine.startContainer(next);
    const seen = await bench.exec(next, ['sh', '-c', 'cd /var/tmp/mine && stat -c "%u:%g %a" . file && cat file']);
    expect(seen.stdout.trim().split('\n')).toEqual(['1000:1000 700', '1000:1000 644', 'kept']);
  });

  it('refuses a path that is a link', async (context) => {
    await skipOnPodman(context, 'it follows the link, and what it leads to is carried over');
    const writable = { readOnlyRoot: false, user: '0:0', capDrop: [] };
    const old = await bench.run('linked', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir /real && ln -s /real /link']);
    const next = await bench.create('linked-next', writable);
    await expect(bench.engine.copyPath(old, next, '/link')).rejects.toMatchObject({
      code: 'engine-rejected',
      message: expect.stringContaining('the path itself is a link'),
    });
    await bench.engine.startContainer(next);
    expect((await bench.exec(next, ['test', '-e', '/link'])).code).toBe(1);
  });

  it('takes links inside as what they are', async () => {
    const writable = { readOnlyRoot: false, user: '0:0', capDrop: [] };
    const old = await bench.run('links', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir /real && ln -s /etc/passwd /real/link']);
    const next = await bench.create('links-next', writable);
    await bench.engine.copyPath(old, next, '/real');
    await bench.engine.startContainer(next);
    const seen = await bench.exec(next, ['readlink', '/real/link']);
    expect(seen.stdout.trim()).toBe('/etc/passwd');
  });

  it('takes a hard link to a link as what it is, too', async () => {
    const writable = { readOnlyRoot: false, user: '0:0', capDrop: [] };
    const old = await bench.run('hard', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir /real && cd /real && ln -s file first && ln -P first second']);
    const next = await bench.create('hard-next', writable);
    await bench.engine.copyPath(old, next, '/real');
    await bench.engine.startContainer(next);
    expect((await bench.exec(next, ['readlink', '/real/second'])).stdout.trim()).toBe('file');
  });

  it('makes the folders above that the image does not have, for the user who made them', async () => {
    const writable = { readOnlyRoot: false };
    const old = await bench.run('deep', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir -p /var/tmp/a/b/state && echo kept > /var/tmp/a/b/state/file']);
    const next = await bench.create('deep-next', writable);
    await bench.engine.copyPath(old, next, '/var/tmp/a/b/state');
    await bench.engine.startContainer(next);
    const seen = await bench.exec(next, [
      'sh',
      '-c',
      'cd /var/tmp/a/b && touch mine && stat -c %u . && cat state/file',
    ]);
    expect(seen.stdout.trim().split('\n')).toEqual(['1000', 'kept']);
  });

  it('gives up a path of more than 1 GiB while it is read, whatever it takes on a disk', async () => {
    const writable = { readOnlyRoot: false };
    const old = await bench.run('huge', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir /var/tmp/big && truncate -s 8G /var/tmp/big/sparse']);
    const next = await bench.create('huge-next', writable);
    await expect(bench.engine.copyPath(old, next, '/var/tmp/big')).rejects.toMatchObject({
      code: 'engine-rejected',
      message: expect.stringContaining('is larger than 1 GiB'),
    });
  });

  it('holds no more than a few pieces of it in memory', async () => {
    const writable = { readOnlyRoot: false };
    const old = await bench.run('much', writable);
    await bench.exec(old, ['sh', '-c', 'mkdir /var/tmp/much && truncate -s 1000M /var/tmp/much/file']);
    const next = await bench.create('much-next', writable);
    const before = process.memoryUsage().rss;
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 20);
    await bench.engine.copyPath(old, next, '/var/tmp/much').finally(() => clearInterval(watch));
    console.log(`1000 MiB were copied with ${Math.round((most - before) / 1024 ** 2)} MiB more`);
    expect(most - before).toBeLessThan(200 * 1024 ** 2);
    await bench.engine.startContainer(next);
    expect((await bench.exec(next, ['stat', '-c', '%s', '/var/tmp/much/file'])).stdout.trim()).toBe(
      String(1000 * 1024 ** 2),
    );
  });
});
