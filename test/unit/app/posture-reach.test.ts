import { describe, expect, test } from 'vitest';
import type { Look } from '../../../src/app/inspect/posture/posture-look.ts';
import { namesInside } from '../../../src/app/inspect/posture/posture-names.ts';
import { egress, mounts, network } from '../../../src/app/inspect/posture/posture-reach.ts';
import { engineMounts, nameServer } from '../../../src/docker/model/engine-gives.ts';
import { server } from '../../support/planner-world.ts';

/** What is found of a server on the project's own network, with these lines of mountinfo. */
function look({ kind: of, hidesHost, mountinfo = [], ipv6 = [], others = [], ...more }: LookOptions): Look {
  const { names = [], hosts = [], resolver = [] } = more;
  const kind = of === 'kubernetes' ? 'docker' : of;
  const lines: Readonly<Record<string, readonly string[]>> = {
    '/proc/self/mountinfo': mountinfo,
    '/proc/self/net/dev': ['', '', 'lo: 0'],
    '/proc/self/net/if_inet6': ipv6,
    '/etc/hosts': hosts,
    '/etc/resolv.conf': resolver,
  };
  return {
    spec: server('a').spec,
    engine: { kind: of },
    view: {
      status: { status: 'running' },
      hidesHost,
      mounts: [],
      confinement: {
        networks: [
          { name: 'looms-test', internal: true, isRecorded: true },
          ...others.map((name) => ({ name, internal: true, isRecorded: false })),
        ],
        forwarder: null,
        publishes: [],
        listedNames: names,
        tmpfs: [{ path: '/tmp', exec: false }],
        recordedMounts: [],
        nameServer: nameServer({ kind }),
        engineMounts: engineMounts({ kind }),
      },
    },
    inside: { lines: (file: string) => lines[file] ?? [], gateway: undefined },
  } as unknown as Look;
}
type LookOptions = {
  readonly kind: 'docker' | 'podman' | 'kubernetes';
  readonly hidesHost: boolean;
  readonly mountinfo?: readonly string[];
  readonly ipv6?: readonly string[];
  /** Closed networks that it was connected to by hand. */
  readonly others?: readonly string[];
  readonly names?: readonly { readonly name: string; readonly address: string }[];
  /** Lines of the files that lead names. */
  readonly hosts?: readonly string[];
  readonly resolver?: readonly string[];
};

const tmpfsAt = (path: string): string => `30 20 0:40 / ${path} rw,nosuid - tmpfs tmpfs rw`;

describe('what a server reaches', () => {
  test('is read inside by where names lead: each listed one to its forwarder, all questions to the engine', () => {
    const asMade = {
      kind: 'docker',
      hidesHost: true,
      names: [{ name: 'db', address: '169.254.70.32' }],
      hosts: ['127.0.0.1 localhost', '169.254.70.32\tdb # listed'],
      resolver: ['search example', 'nameserver 127.0.0.11', 'options ndots:0'],
    } as const;
    expect(egress(look(asMade)).inside).toEqual(['db at 169.254.70.32, names by the engine', true]);
    const found = (change: Partial<LookOptions>) => namesInside(look({ ...asMade, ...change }));
    expect(found({ hosts: ['10.1.2.3 DB', ...asMade.hosts] })).toEqual([
      'db at 10.1.2.3 and 169.254.70.32, names by the engine',
      false,
    ]);
    expect(found({ hosts: [] })).toEqual(['db is missing, names by the engine', false]);
    expect(found({ resolver: ['nameserver 8.8.8.8', 'nameserver 127.0.0.11'] })).toEqual([
      'db at 169.254.70.32, names by 8.8.8.8',
      false,
    ]);
    expect(found({ resolver: [] })).toBeUndefined();
    expect(found({ kind: 'podman' })).toBe('not-asked');
  });

  test('is not to be had of a cluster, as far as its node is concerned, and broken by what else lets it out', () => {
    const found = network(look({ kind: 'kubernetes', hidesHost: false }));
    expect(found).toMatchObject({
      engineLacksIt: true,
      engine: ['looms-test (no way out), its node may be within reach', false],
    });
    expect(network(look({ kind: 'kubernetes', hidesHost: true }))).toMatchObject({
      engineLacksIt: false,
      engine: ['looms-test (no way out)', true],
    });
    const opened = network(look({ kind: 'kubernetes', hidesHost: false, others: ['theirs'] }));
    expect(opened).toMatchObject({ engineLacksIt: false, engine: [expect.any(String), false] });
    expect(network(look({ kind: 'podman', hidesHost: false })).engineLacksIt).toBe(false);
  });

  test('is broken where the engine does not keep it from its own host', () => {
    expect(network(look({ kind: 'podman', hidesHost: false })).engine).toEqual([
      'looms-test (no way out), the engine’s host is within reach',
      false,
    ]);
    expect(network(look({ kind: 'docker', hidesHost: true })).engine).toEqual(['looms-test (no way out)', true]);
  });

  test('is broken by a closed network that is not of its record: the forwarder of another server may be on it', () => {
    const found = look({ kind: 'docker', hidesHost: true, others: ['looms-test-b.egress'] });
    expect(network(found).engine).toEqual([
      'looms-test (no way out), looms-test-b.egress (no way out, not of its record)',
      false,
    ]);
    expect(egress(found).engine).toEqual([
      'no open network, within reach of looms-test-b.egress, not of its record',
      false,
    ]);
    expect(egress(look({ kind: 'docker', hidesHost: true })).engine).toEqual(['no open network', true]);
  });

  test.each(['fe80::1 of a link', 'an address of a network'])('is broken where an interface has %s', (what) => {
    const address = `${what.startsWith('fe80') ? 'fe80' : 'fd00'}0000000000000000000000000002 1a 40 20 80`;
    const found = (name: string) => look({ kind: 'docker', hidesHost: true, ipv6: [`${address} ${name}`] });
    expect(network(found('eth0')).inside).toEqual(['loopback only, no way out, IPv6 at eth0', false]);
    expect(network(found('lo')).inside).toEqual(['loopback only, no way out', true]);
  });

  test('has the tmpfs that Podman gives a read-only root as no mount, and that of anybody else as one', () => {
    const mountinfo = ['/run', '/var/tmp', '/tmp'].map(tmpfsAt);
    expect(mounts(look({ kind: 'podman', hidesHost: false, mountinfo })).inside).toEqual(['none', true]);
    expect(mounts(look({ kind: 'docker', hidesHost: true, mountinfo })).inside).toEqual(['/run, /var/tmp', false]);
    const other = [...mountinfo, tmpfsAt('/data')];
    expect(mounts(look({ kind: 'podman', hidesHost: false, mountinfo: other })).inside).toEqual(['/data', false]);
  });
});
