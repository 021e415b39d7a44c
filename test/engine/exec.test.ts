import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContainerId } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';

describe.skipIf(withoutEngine())('exec on a real engine', () => {
  let bench: EngineBench;
  let id: ContainerId;
  beforeAll(async () => {
    bench = await engineBench('exec');
    id = await bench.run('target', { memoryBytes: 256 * 1024 * 1024, memorySwapBytes: 256 * 1024 * 1024 });
  });
  afterAll(() => bench?.close());

  test('keeps the streams apart and tells the exit code', async () => {
    const result = await bench.exec(id, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
    expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  test('half-closes stdin: the process sees its end and can still answer', async () => {
    const session = await bench.engine.exec(id, { argv: ['sh', '-c', 'wc -c; echo after'] });
    session.stdin.end('12345');
    let out = '';
    for await (const chunk of session.stdout) out += chunk;
    session.stderr.resume();
    expect(out).toBe('5\nafter\n');
    expect(await session.ended).toEqual({ exitCode: 0 });
  });

  test('talks back and forth over an open stdin', async () => {
    const session = await bench.engine.exec(id, { argv: ['cat'] });
    session.stderr.resume();
    for (const word of ['one', 'two', 'three']) {
      session.stdin.write(word);
      const [chunk] = (await once(session.stdout, 'data')) as [Buffer];
      expect(chunk.toString()).toBe(word);
    }
    session.stdin.end();
    expect(await session.ended).toEqual({ exitCode: 0 });
  });

  test('hands its environment, user and folder to the process only', async () => {
    const more = { env: { TOKEN: 'hunter2 = x' }, user: '33:33', workingDir: '/usr' };
    const { stdout } = await bench.exec(id, ['sh', '-c', 'echo "$TOKEN"; id -u; pwd'], more);
    expect(stdout).toBe('hunter2 = x\n33\n/usr\n');
    expect(JSON.stringify(await bench.docker.getContainer(id).inspect())).not.toContain('hunter2');
  });

  test('passes 50 MB both ways unharmed', async () => {
    const session = await bench.engine.exec(id, { argv: ['cat'] });
    session.stderr.resume();
    const block = Buffer.alloc(1024 * 1024, 'abcdefgh');
    const writing = (async () => {
      for (let sent = 0; sent < 50; sent += 1) {
        if (!session.stdin.write(block)) await once(session.stdin, 'drain');
      }
      session.stdin.end();
    })();
    let length = 0;
    for await (const chunk of session.stdout) length += (chunk as Buffer).length;
    await writing;
    expect(length).toBe(50 * block.length);
  });

  test('a slow reader holds the process back instead of filling memory', async () => {
    const script = 'head -c 200000000 /dev/zero; echo done > /tmp/flooded';
    const session = await bench.engine.exec(id, { argv: ['sh', '-c', script] });
    session.stderr.resume();
    await once(session.stdout, 'readable');
    // Nobody reads on, while the same work is done once with nobody in its way.
    await bench.exec(id, ['sh', '-c', 'head -c 200000000 /dev/zero | cat > /dev/null']);
    expect(session.stdout.readableLength).toBeLessThan(1024 * 1024);
    expect((await bench.exec(id, ['cat', '/tmp/flooded'])).code).not.toBe(0);
    let length = 0;
    for await (const chunk of session.stdout) length += (chunk as Buffer).length;
    expect([length, (await session.ended).exitCode]).toEqual([200_000_000, 0]);
  });

  test('a connection that is dropped ends without an exit code, and the streams end', async () => {
    const session = await bench.engine.exec(id, { argv: ['sleep', '30'] });
    session.stdout.resume();
    session.stderr.resume();
    session.destroy();
    expect(await session.ended).toEqual({ exitCode: null });
  });

  test('a container that is removed under it ends the session', async () => {
    const other = await bench.run('doomed');
    const session = await bench.engine.exec(other, { argv: ['sleep', '30'] });
    session.stdout.resume();
    session.stderr.resume();
    await bench.engine.removeContainer(other);
    // Engines answer null, 126 or 137; none of them is a success.
    expect((await session.ended).exitCode).not.toBe(0);
    expect(session.stdout.readableEnded).toBe(true);
  });

  test('writing to a process that has ended is an error for the writer, not for the program', async () => {
    const session = await bench.engine.exec(id, { argv: ['true'] });
    session.stdout.resume();
    session.stderr.resume();
    await session.ended;
    const error = await new Promise((resolve) => session.stdin.write('x', resolve));
    expect(error).toMatchObject({ code: 'server-exited' });
  });

  test('a container that does not run is server-not-running, one that is gone engine-not-found', async () => {
    const stopped = await bench.create('stopped');
    await expect(bench.engine.exec(stopped, { argv: ['true'] })).rejects.toMatchObject({ code: 'server-not-running' });
    await bench.engine.removeContainer(stopped);
    await expect(bench.engine.exec(stopped, { argv: ['true'] })).rejects.toMatchObject({ code: 'engine-not-found' });
  });

  test('sessions are counted while they run, and one never started is not', async () => {
    const counted = await bench.run('counted');
    await bench.docker.getContainer(counted).exec({ Cmd: ['true'] });
    const sessions = await Promise.all([1, 2].map(() => bench.engine.exec(counted, { argv: ['cat'] })));
    expect(await bench.engine.countSessions(counted)).toBe(2);
    for (const session of sessions) {
      session.stdout.resume();
      session.stderr.resume();
      session.stdin.end();
    }
    await eventually(async () => expect(await bench.engine.countSessions(counted)).toBe(0));
  });

  test('prints what a session costs', async () => {
    const before = performance.now();
    for (let round = 0; round < 10; round += 1) await bench.exec(id, ['true']);
    console.log(`exec of true to its exit code: ${Math.round((performance.now() - before) / 10)} ms`);
  });
});
