import { describe, expect, test } from 'vitest';
import { apparmor, hostAccess, seccomp, secrets, user } from '../../../src/app/inspect/posture/posture-confinement.ts';
import { memory, pids, storage } from '../../../src/app/inspect/posture/posture-limits.ts';
import type { Look } from '../../../src/app/inspect/posture/posture-look.ts';
import { mounts, network, tmpfs } from '../../../src/app/inspect/posture/posture-reach.ts';
import { engineMounts } from '../../../src/docker/model/engine-gives.ts';
import type { ServerView } from '../../../src/model/server-view.ts';
import { server } from '../../support/planner-world.ts';

type Confinement = ServerView['confinement'];

/** What the engine says of a container of `server('a')` that nobody can look into. */
const engineSays = (confinement: Partial<Confinement>, live: ServerView['mounts'] = []): Look =>
  ({
    spec: server('a').spec,
    engine: { kind: 'docker', canLimitSwap: true, canLimitProcesses: true, securityModules: ['seccomp', 'apparmor'] },
    view: {
      user: server('a').spec.security.user,
      mounts: live,
      confinement: {
        privileged: false,
        securityOptions: [],
        sharedNamespaces: [],
        devices: [],
        tmpfs: [{ path: '/tmp', exec: false }],
        recordedMounts: [],
        engineMounts: engineMounts({ kind: 'docker' }),
        otherSettings: [],
        ...confinement,
      },
    },
  }) as unknown as Look;

describe('a promise of confinement is broken', () => {
  test('by swap that the engine gives besides, also where nothing can be read inside', () => {
    const found = (swapMiB: number | null) => {
      const { view, ...rest } = engineSays({ swapMiB });
      return memory({ ...rest, view: { ...view, limits: { cpuCores: 1, memoryMiB: 512, pids: 256 } } }).engine;
    };
    expect(found(0)).toEqual(['512 MiB, swap none', true]);
    expect(found(512)).toEqual(['512 MiB, swap 512 MiB', false]);
    expect(found(null)).toEqual(['512 MiB, swap no limit', false]);
  });

  test('by more of its own file system, where the spec bounds that', () => {
    const found = (storageMiB: number | null, wanted = { storageMiB: 100 }, canLimitStorage = true) => {
      const { spec, engine, ...rest } = engineSays({ storageMiB });
      const limits = { ...spec.limits, ...wanted };
      return storage({ ...rest, spec: { ...spec, limits }, engine: { ...engine, canLimitStorage } });
    };
    expect(found(100)).toMatchObject({ spec: '100 MiB', engine: ['100 MiB', true], engineLacksIt: false });
    expect(found(200)).toMatchObject({ engine: ['200 MiB', false] });
    expect(found(null)).toMatchObject({ engine: ['no limit', false], engineLacksIt: false });
    expect(found(null, undefined, false)).toMatchObject({ engineLacksIt: true });
    expect(storage(engineSays({ storageMiB: null }))).toBeUndefined();
  });

  test('by more processes, and not there where only a node limits those', () => {
    const found = (limit: number, canLimitProcesses: boolean) => {
      const { view, engine, ...rest } = engineSays({});
      const limits = { cpuCores: 1, memoryMiB: 512, pids: limit };
      return pids({ ...rest, engine: { ...engine, canLimitProcesses }, view: { ...view, limits } });
    };
    expect(found(10, true)).toMatchObject({ engine: ['10', true], engineLacksIt: false });
    expect(found(0, true)).toMatchObject({ engine: ['no limit', false], engineLacksIt: false });
    expect(found(0, false)).toMatchObject({ engine: ['no limit', false], engineLacksIt: true });
  });

  test('by more memory, also on an engine that cannot limit swap, and not there by its swap', () => {
    const found = (memoryMiB: number, swapMax?: string) => {
      const { view, engine, ...rest } = engineSays({ swapMiB: null });
      const lines = (file: string): readonly string[] =>
        file === '/sys/fs/cgroup/memory.max' ? [String(memoryMiB * 1024 * 1024)] : swapMax ? [swapMax] : [];
      return memory({
        ...rest,
        engine: { ...engine, canLimitSwap: false },
        view: { ...view, limits: { cpuCores: 1, memoryMiB: 512, pids: 256 } },
        ...(swapMax === undefined ? {} : { inside: { lines, variables: [] } as unknown as Look['inside'] }),
      } as Look);
    };
    expect(found(512)).toMatchObject({
      engine: ['512 MiB, swap not limited by this engine', true],
      engineLacksIt: true,
    });
    expect(found(512, 'max')).toMatchObject({ inside: ['512 MiB, swap no limit', true], engineLacksIt: true });
    expect(found(1024, 'max')).toMatchObject({ inside: ['1024 MiB, swap no limit', false], engineLacksIt: false });
  });

  test.each([
    ['gpus=[{"Count":-1}]'],
    ['device-cgroup-rule=c *:* rwm'],
    ['userns=host'],
    ['uts=host'],
    ['cgroupns=host'],
  ])('by the setting %s', (setting) => {
    expect(hostAccess(engineSays({})).engine).toEqual(['its own', true]);
    expect(hostAccess(engineSays({ otherSettings: [setting] })).engine).toEqual([setting, false]);
    expect(hostAccess(engineSays({ otherSettings: ['cpuset-cpus=0'] })).engine).toEqual(['its own', true]);
  });

  test.each(['systempaths=unconfined', 'label=disable'])('by the option %s', (option) => {
    expect(hostAccess(engineSays({ securityOptions: [option] })).engine).toEqual([option, false]);
  });

  test('by any profile of its own, whatever it is called', () => {
    const open = 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}';
    expect(seccomp(engineSays({ securityOptions: [open] })).engine).toEqual([open, false]);
    const named = 'apparmor=allow-everything';
    expect(apparmor(engineSays({ securityOptions: [named] })).engine).toEqual([named, false]);
    expect(apparmor(engineSays({})).engine).toEqual(['its profile', true]);
  });

  test('by a group that was added', () => {
    expect(user(engineSays({ otherSettings: ['group-add=0'] })).engine).toEqual([
      expect.stringMatching(/group-add=0$/),
      false,
    ]);
  });

  test('by what is mounted, not only by where', () => {
    const recordedMounts = [{ type: 'bind', source: '/srv/a', target: '/a', readOnly: false }] as const;
    const { spec, ...rest } = engineSays({ recordedMounts }, [{ ...recordedMounts[0], source: '/etc' }]);
    const look = { ...rest, spec: { ...spec, mounts: recordedMounts } } as Look;
    expect(mounts(look).engine).toEqual(['/a from bind /etc', false]);
    const kept = { ...look, view: { ...look.view, mounts: recordedMounts } };
    expect(mounts(kept).engine).toEqual(['/a', true]);
  });

  test('by a tmpfs that nobody asked for, or in which programs run; the working directory is one', () => {
    const at = (...more: Confinement['tmpfs']) =>
      tmpfs(engineSays({ tmpfs: [{ path: '/tmp', exec: false }, ...more] })).engine;
    expect(at({ path: '/workspace', exec: false })).toEqual(['/tmp, /workspace', true]);
    expect(at({ path: '/workspace', exec: true })).toEqual(['/tmp, /workspace (runs programs)', false]);
    expect(at({ path: '/opt', exec: false })).toEqual(['/opt, /tmp', false]);
  });
});

describe('what a cluster cannot give is not there, and what else was promised with it is still looked at', () => {
  const onCluster = (look: Look): Look => ({
    ...look,
    engine: { ...look.engine, kind: 'kubernetes' } as Look['engine'],
  });

  test('programs run in what is in memory', () => {
    const found = (...more: Confinement['tmpfs']) =>
      tmpfs(onCluster(engineSays({ tmpfs: [{ path: '/tmp', exec: true }, ...more] })));
    expect(found()).toMatchObject({ engine: ['/tmp (runs programs)', false], engineLacksIt: true });
    expect(found({ path: '/opt', exec: true })).toMatchObject({ engineLacksIt: false });
    expect(tmpfs(onCluster(engineSays({ tmpfs: [] })))).toMatchObject({
      engine: ['none', false],
      engineLacksIt: false,
    });
    expect(tmpfs(onCluster(engineSays({})))).toMatchObject({ engine: ['/tmp', true], engineLacksIt: false });
  });

  test('a stdio server has its secrets in the first process, too', () => {
    const found = (environment: readonly string[], variables: readonly string[]) => {
      const look = onCluster(engineSays({ environment }));
      const inside = { lines: () => [], variables } as unknown as NonNullable<Look['inside']>;
      const env = { TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: 'token' }] } };
      return secrets({ ...look, inside, spec: { ...look.spec, mcp: { ...look.spec.mcp, env } } as Look['spec'] });
    };
    expect(found([], ['TOKEN'])).toMatchObject({ inside: ['TOKEN in process 1', false], engineLacksIt: true });
    expect(found([], [])).toMatchObject({ inside: ['none in process 1', true], engineLacksIt: false });
    expect(found(['TOKEN'], ['TOKEN'])).toMatchObject({
      engine: ['TOKEN in its configuration', false],
      engineLacksIt: false,
    });
  });

  test('whether there is a way out nothing inside tells', () => {
    const look = onCluster(
      engineSays({ networks: [{ name: 'pods', internal: true, ipv6: false, isRecorded: true }], publishes: [] }),
    );
    const lines = (file: string): readonly string[] =>
      file === '/proc/self/net/dev' ? ['', '', 'lo: 0', 'eth0: 0'] : [];
    const inside = { lines, gateway: { address: '10.42.0.1', answers: true } } as unknown as NonNullable<
      Look['inside']
    >;
    expect(network({ ...look, view: { ...look.view, hidesHost: true }, inside })).toMatchObject({
      engine: ['pods (no way out)', true],
      inside: 'not-asked',
    });
  });
});
