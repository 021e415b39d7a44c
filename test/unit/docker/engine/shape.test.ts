import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shapeOf } from '../../../../src/docker/engine/containers/docker-to-shape.ts';
import type { InspectedContainer } from '../../../../src/docker/engine/containers/inspected.ts';
import { createCall, hasOwnCgroups } from '../../../../src/docker/engine/containers/shape-to-docker.ts';
import type { ContainerShape } from '../../../../src/docker/model/shape.ts';
import { asImageId } from '../../../../src/model/ids.ts';
import { forAll } from '../../../support/properties.ts';

const id = 'c'.repeat(64);
const image = { env: { PATH: '/usr/bin', LANG: 'C' }, labels: { vendor: 'someone' } };
const isGone = () => false;
const docker = { kind: 'docker', limitsSwap: true, ownCgroups: true, isGone } as const;

const plain: ContainerShape = {
  imageId: asImageId(`sha256:${'a'.repeat(64)}`),
  entrypoint: ['sleep'],
  command: ['infinity'],
  env: { MODE: 'a=b', PATH: '/opt/bin' },
  user: '1000:1000',
  workingDir: '/workspace',
  hostname: 'files',
  mounts: [
    { type: 'volume', source: 'looms-p-notes', target: '/data', readOnly: false },
    { type: 'bind', source: '/srv/files', target: '/files', readOnly: true },
  ],
  tmpfs: { '/tmp': { sizeBytes: 67_108_864, exec: false, mode: '1777' } },
  sysctls: {},
  networks: [{ name: 'looms-p', aliases: ['fs'] }],
  ports: [{ container: '3000/tcp', host: '127.0.0.1:8080' }],
  memoryBytes: 536_870_912,
  memorySwapBytes: 536_870_912,
  nanoCpus: 1_500_000_000,
  pidsLimit: 100,
  storageBytes: null,
  restart: 'unless-stopped',
  capAdd: ['NET_BIND_SERVICE'],
  capDrop: ['ALL'],
  noNewPrivileges: true,
  securityOptions: [],
  readOnlyRoot: true,
  privileged: false,
  pidMode: '',
  ipcMode: '',
  devices: [],
  extraHosts: [],
  dns: ['127.0.0.1'],
  dnsOptions: ['attempts:1', 'timeout:1'],
  init: true,
  openStdin: false,
  labels: { team: 'data' },
  otherSettings: [],
};

type Asked = {
  Image: string;
  Env: string[];
  Labels: Record<string, string>;
  HostConfig: InspectedContainer['HostConfig'];
  NetworkingConfig?: { EndpointsConfig: Record<string, { Aliases: string[] }> };
};

/** What an engine answers to an inspect of a container that was created with `body`, as Engine 20.10 does. */
function engineReports(shape: ContainerShape): InspectedContainer {
  const { body } = createCall(
    { name: 'looms-p-fs', shape, ownLabels: { 'looms.project': 'p' }, ownTargets: [] },
    'docker',
  );
  const asked = body as Asked & InspectedContainer['Config'];
  const endpoints = asked.NetworkingConfig?.EndpointsConfig ?? { none: { Aliases: [] } };
  const set = new Set(asked.Env.map((line) => line.split('=')[0]));
  const inherited = Object.entries(image.env).filter(([key]) => !set.has(key));
  return {
    Id: id,
    Name: '/looms-p-fs',
    Created: '2026-01-01T00:00:00Z',
    Image: asked.Image,
    State: {},
    Config: {
      ...asked,
      Env: [...asked.Env, ...inherited.map(([key, value]) => `${key}=${value}`)],
      Labels: { ...image.labels, ...asked.Labels },
    },
    HostConfig: { ...asked.HostConfig, MaskedPaths: ['/proc/kcore'] },
    Mounts: (asked.HostConfig.Mounts ?? []).map((mount) => ({
      Type: mount.Type ?? '',
      ...(mount.Type === 'volume' ? { Name: mount.Source ?? '' } : {}),
      Source: mount.Type === 'volume' ? `/var/lib/docker/volumes/${mount.Source}/_data` : (mount.Source ?? ''),
      Destination: mount.Target ?? '',
      RW: mount.ReadOnly !== true,
    })),
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(endpoints).map(([name, { Aliases: aliases }]) => [
          name,
          { Aliases: [...aliases, id.slice(0, 12)] },
        ]),
      ),
    },
  };
}

const changed = (shape: ContainerShape, host: Partial<InspectedContainer['HostConfig']>): ContainerShape => {
  const reported = engineReports(shape);
  return shapeOf({ ...reported, HostConfig: { ...reported.HostConfig, ...host } }, image, docker);
};

describe('a shape comes back from the engine as it was asked for', () => {
  test('with everything that looms sets', () => {
    expect(shapeOf(engineReports(plain), image, docker)).toEqual(plain);
  });

  test('without the names on a network that the engine adds, the host name among them, but for the one that was asked for', () => {
    const reported = engineReports({ ...plain, hostname: 'fs' });
    const withAlias = (aliases: readonly string[], labels = {}) =>
      shapeOf(
        {
          ...reported,
          Config: { ...reported.Config, Labels: labels },
          NetworkSettings: { Networks: { 'looms-p': { Aliases: aliases } } },
        },
        image,
        docker,
      ).networks;
    expect(withAlias([id.slice(0, 12), 'fs', 'other'])).toEqual([{ name: 'looms-p', aliases: ['other'] }]);
    expect(withAlias(['fs'], { 'looms.server': 'fs' })).toEqual([{ name: 'looms-p', aliases: ['fs'] }]);
  });

  test('with no network at all', () => {
    const shape = { ...plain, networks: [], ports: [] };
    const { body } = createCall({ name: 'n', shape, ownLabels: {}, ownTargets: [] }, 'docker');
    expect((body as Asked).HostConfig.NetworkMode).toBe('none');
    expect(shapeOf(engineReports(shape), image, docker)).toEqual(shape);
  });

  test('whatever its scalars, environment and tmpfs are', () => {
    const word = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
    const shapes = fc.record({
      env: fc.dictionary(word, fc.string()),
      tmpfs: fc.dictionary(
        word.map((name) => `/${name}`),
        fc.record(
          {
            sizeBytes: fc.nat(),
            exec: fc.boolean(),
            mode: fc.constantFrom('700', '755', '1777'),
            owner: fc.constantFrom('1000', '1000:1000', '0:0'),
          },
          { requiredKeys: ['sizeBytes', 'exec', 'mode'] },
        ),
      ),
      restart: fc.constantFrom('no', 'always', 'unless-stopped', 'on-failure', 'on-failure:3'),
      memoryBytes: fc.nat(),
      memorySwapBytes: fc.nat(),
      nanoCpus: fc.nat(),
      hostname: fc.constantFrom('', 'files.example'),
      pidsLimit: fc.nat(),
      readOnlyRoot: fc.boolean(),
      init: fc.boolean(),
      openStdin: fc.boolean(),
      noNewPrivileges: fc.boolean(),
      storageBytes: fc.option(fc.nat()),
      labels: fc.dictionary(word, fc.string()),
    });
    forAll(
      shapes,
      (part) => {
        const env = Object.fromEntries(
          Object.entries(part.env).filter(([key, value]) => image.env[key as 'PATH'] !== value),
        );
        const shape = { ...plain, ...part, env } as ContainerShape;
        expect(shapeOf(engineReports(shape), image, docker)).toEqual(shape);
      },
      { runs: 300 },
    );
  });
});

describe('what someone changed by hand shows', () => {
  test('limits and restart policy (docker update)', () => {
    const live = changed(plain, {
      Memory: 1,
      MemorySwap: -1,
      NanoCpus: 5,
      PidsLimit: null,
      RestartPolicy: { Name: 'always' },
    });
    expect([live.memoryBytes, live.memorySwapBytes, live.nanoCpus, live.pidsLimit, live.restart]).toEqual([
      1,
      -1,
      5,
      0,
      'always',
    ]);
  });

  test('settings that a shape has no field for', () => {
    const live = changed(plain, { CpusetCpus: '0', CpuShares: 512, MemoryReservation: 10, GroupAdd: ['audio'] });
    expect(live.otherSettings).toEqual(['cpu-shares=512', 'cpuset-cpus=0', 'group-add=audio', 'memory-reservation=10']);
  });

  test('the cgroup namespace of the host, where containers are made with one of their own', () => {
    expect(changed(plain, { CgroupnsMode: 'host' }).otherSettings).toEqual(['cgroupns=host']);
    expect(changed(plain, { CgroupnsMode: 'private' }).otherSettings).toEqual([]);
    const reported = engineReports(plain);
    const onFirstVersion = { ...reported, HostConfig: { ...reported.HostConfig, CgroupnsMode: 'host' } };
    expect(shapeOf(onFirstVersion, image, { ...docker, ownCgroups: false })).toEqual(plain);
    const request = { name: 'n', shape: plain, ownLabels: {}, ownTargets: [] };
    expect(createCall(request, 'docker', { ownCgroups: true }).body).toMatchObject({
      HostConfig: { CgroupnsMode: 'private' },
    });
    expect([hasOwnCgroups('docker', { CgroupVersion: '2' }), hasOwnCgroups('docker', {})]).toEqual([true, false]);
  });

  test('another network (docker network connect)', () => {
    const reported = engineReports(plain);
    const networks = { ...reported.NetworkSettings?.Networks, other: { Aliases: null } };
    const live = shapeOf({ ...reported, NetworkSettings: { Networks: networks } }, image, docker);
    expect(live.networks.map(({ name }) => name)).toEqual(['looms-p', 'other']);
  });

  test('what a hand-made replacement may have', () => {
    const live = changed(plain, {
      Privileged: true,
      PidMode: 'host',
      IpcMode: 'host',
      ExtraHosts: ['a:1.2.3.4'],
      Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'rwm' }],
      SecurityOpt: ['seccomp=unconfined'],
      CapAdd: ['CAP_SYS_ADMIN'],
      CapDrop: null,
    });
    expect([live.privileged, live.pidMode, live.ipcMode, live.noNewPrivileges]).toEqual([true, 'host', 'host', false]);
    expect([live.extraHosts, live.devices]).toEqual([['a:1.2.3.4'], ['/dev/fuse:/dev/fuse:rwm']]);
    expect([live.securityOptions, live.capAdd, live.capDrop]).toEqual([['seccomp=unconfined'], ['SYS_ADMIN'], []]);
  });
});

describe('the same meaning in other words is the same shape', () => {
  test('an engine that cannot limit swap reports -1 and means nothing by it', () => {
    const reported = engineReports(plain);
    const host = { ...reported.HostConfig, MemorySwap: -1 };
    const live = shapeOf({ ...reported, HostConfig: host }, image, { ...docker, limitsSwap: false });
    expect(live).toEqual(plain);
  });

  test('anonymous volumes of the image and of the secrets are no mounts of the spec', () => {
    const reported = engineReports(plain);
    const anonymous = { Type: 'volume', Name: 'f'.repeat(64), Destination: '/var/lib/x', RW: true };
    const live = shapeOf({ ...reported, Mounts: [...(reported.Mounts ?? []), anonymous] }, image, docker);
    expect(live.mounts).toEqual(plain.mounts);
  });

  test('Docker Desktop reports a bind by its path inside the VM', () => {
    const reported = engineReports(plain);
    const mounts = reported.Mounts?.map((mount) =>
      mount.Type === 'bind' ? { ...mount, Source: `/host_mnt${mount.Source}` } : mount,
    );
    expect(shapeOf({ ...reported, Mounts: mounts ?? [] }, image, docker).mounts).toEqual(plain.mounts);
  });

  test('Podman expands ALL, adds tmpfs options and an own variable, and leaves out sha256', () => {
    const shape = { ...plain, capAdd: [] };
    const reported = engineReports(shape);
    const live = shapeOf(
      {
        ...reported,
        Image: 'a'.repeat(64),
        Config: { ...reported.Config, Env: [...(reported.Config.Env ?? []), 'container=podman'] },
        HostConfig: {
          ...reported.HostConfig,
          NetworkMode: 'bridge',
          UsernsMode: 'private',
          UTSMode: 'private',
          PidMode: 'private',
          CapAdd: [],
          CapDrop: [
            'CAP_CHOWN',
            'CAP_DAC_OVERRIDE',
            'CAP_FOWNER',
            'CAP_FSETID',
            'CAP_KILL',
            'CAP_NET_BIND_SERVICE',
            'CAP_SETFCAP',
            'CAP_SETGID',
            'CAP_SETPCAP',
            'CAP_SETUID',
            'CAP_SYS_CHROOT',
          ],
          Tmpfs: { '/tmp': 'size=64m,rw,rprivate,nosuid,nodev,noexec,tmpcopyup' },
        },
      },
      image,
      { ...docker, kind: 'podman' },
    );
    expect(live).toEqual(shape);
  });

  test('Podman with one capability kept reads as ALL dropped and that one added', () => {
    const reported = engineReports(plain);
    const drop = [
      'CHOWN',
      'DAC_OVERRIDE',
      'FOWNER',
      'FSETID',
      'KILL',
      'SETFCAP',
      'SETGID',
      'SETPCAP',
      'SETUID',
      'SYS_CHROOT',
    ];
    const host = { ...reported.HostConfig, CapAdd: [], CapDrop: drop };
    const live = shapeOf({ ...reported, HostConfig: host }, image, { ...docker, kind: 'podman' });
    expect([live.capAdd, live.capDrop]).toEqual([['NET_BIND_SERVICE'], ['ALL']]);
  });
});

test('the secrets file lies on an anonymous volume, and no secret is in the create call', () => {
  const request = { name: 'n', shape: plain, ownLabels: {}, ownTargets: [], secrets: { TOKEN: 'hunter2' } };
  const { body, query } = createCall(request, 'docker');
  expect((body as Asked).HostConfig.Mounts?.at(-1)).toEqual({
    Type: 'volume',
    Source: '',
    Target: '/run/looms',
    ReadOnly: false,
  });
  expect(JSON.stringify([body, query])).not.toContain('hunter2');
});

test('a tmpfs cannot belong to a user by name', () => {
  const tmpfs = { '/x': { sizeBytes: 1, exec: false, mode: '755', owner: 'node' } };
  expect(() => createCall({ name: 'n', shape: { ...plain, tmpfs }, ownLabels: {}, ownTargets: [] }, 'docker')).toThrow(
    /by number|belong to "node"/,
  );
});

test('the log of a container is bounded where the engine keeps it on its disk, by the driver that the engine has', () => {
  const logOf = (driver?: string): unknown => {
    const { body } = createCall({ name: 'n', shape: plain, ownLabels: {}, ownTargets: [] }, 'docker', {
      logDriver: driver,
    });
    return (body as { HostConfig: { LogConfig?: unknown } }).HostConfig.LogConfig;
  };
  for (const driver of ['json-file', 'local']) {
    expect(logOf(driver)).toEqual({ Type: driver, Config: { 'max-size': '10m', 'max-file': '3' } });
  }
  for (const driver of ['journald', 'none', undefined]) expect(logOf(driver)).toBeUndefined();
});
