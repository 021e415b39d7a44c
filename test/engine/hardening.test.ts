import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContainerId } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';

describe.skipIf(withoutEngine())('a hardened container, seen from inside', () => {
  let bench: EngineBench;
  let id: ContainerId;
  beforeAll(async () => {
    bench = await engineBench('hardening');
    id = await bench.run('hardened');
  });
  afterAll(() => bench?.close());

  const sh = async (script: string): Promise<string> => (await bench.exec(id, ['sh', '-c', script])).stdout.trim();
  /** The first of the files that is there: cgroup v1 and v2 have other names for the same. */
  const cgroup = (...files: readonly string[]): Promise<string> =>
    sh(files.map((file) => `cat /sys/fs/cgroup/${file} 2>/dev/null`).join(' || '));

  test.each(['1', 'self'])('process %s is no root, has no capability and cannot gain any', async (process) => {
    const status = await sh(`cat /proc/${process}/status`);
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]?.replace(/\s+/g, ' ') ?? '';
    expect({
      uid: field('Uid'),
      gid: field('Gid'),
      effective: field('CapEff'),
      permitted: field('CapPrm'),
      bounding: field('CapBnd'),
      noNewPrivileges: field('NoNewPrivs'),
      seccomp: field('Seccomp'),
    }).toEqual({
      uid: '1000 1000 1000 1000',
      gid: '1000 1000 1000 1000',
      effective: '0000000000000000',
      permitted: '0000000000000000',
      bounding: '0000000000000000',
      noNewPrivileges: '1',
      seccomp: '2',
    });
  });

  test('its root cannot be written to, not even by root', async () => {
    for (const user of ['1000:1000', '0:0']) {
      const { code, stderr } = await bench.exec(id, ['touch', '/etc/x'], { user });
      expect([user, code]).toEqual([user, 1]);
      expect(stderr).toMatch(user === '0:0' ? /Read-only/ : /Read-only|denied/);
    }
  });

  test('its tmpfs can be written to, runs no program and is bounded', async () => {
    expect(await sh('echo ok > /tmp/x && cat /tmp/x')).toBe('ok');
    expect((await bench.exec(id, ['sh', '-c', 'cp /bin/true /tmp/t; /tmp/t'])).code).toBe(126);
    expect((await bench.exec(id, ['sh', '-c', 'head -c 20000000 /dev/zero > /tmp/big'])).code).not.toBe(0);
    await sh('rm -f /tmp/*');
  });

  test('memory without swap, processes and CPU are limited by its cgroup', async () => {
    expect(await cgroup('memory/memory.limit_in_bytes', 'memory.max')).toBe(String(64 * 1024 * 1024));
    // v1 counts memory and swap together, v2 swap alone.
    expect(['67108864', '0']).toContain(await cgroup('memory/memory.memsw.limit_in_bytes', 'memory.swap.max'));
    expect(await cgroup('pids/pids.max', 'pids.max')).toBe('50');
    const [quota, period] = (
      await sh(
        'cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us',
      )
    ).split(/\s+/);
    expect(Number(quota) / Number(period)).toBe(0.5);
  });

  test('more processes than it may have cannot be started', async () => {
    const { stderr } = await bench.exec(id, ['bash', '-c', 'for i in $(seq 80); do sleep 2 & done; wait']);
    expect(stderr).toMatch(/Resource temporarily unavailable/);
  });

  test('PID 1 is the engine’s init, and network mode none has a loopback only', async () => {
    expect(await sh('cat /proc/1/comm')).toMatch(/init|catatonit|tini/);
    expect(await sh('ls /sys/class/net')).toBe('lo');
  });
});
