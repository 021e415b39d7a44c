import { describe, expect, test } from 'vitest';
import type { Look } from '../../../src/app/inspect/posture/posture-look.ts';
import { egress, mounts, network } from '../../../src/app/inspect/posture/posture-reach.ts';
import { server } from '../../support/planner-world.ts';

/** What is found of a server on the project's own network, with these lines of mountinfo. */
function look({ kind, hidesHost, mountinfo = [], ipv6 = [], others = [] }: LookOptions): Look {
  const lines: Readonly<Record<string, readonly string[]>> = {
    '/proc/self/mountinfo': mountinfo,
    '/proc/self/net/dev': ['', '', 'lo: 0'],
    '/proc/self/net/if_inet6': ipv6,
  };
  return {
    spec: server('a').spec,
    engine: { kind },
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
        tmpfs: [{ path: '/tmp', exec: false }],
        recordedMounts: [],
      },
    },
    inside: { lines: (file: string) => lines[file] ?? [], gateway: undefined },
  } as unknown as Look;
}
type LookOptions = {
  readonly kind: 'docker' | 'podman';
  readonly hidesHost: boolean;
  readonly mountinfo?: readonly string[];
  readonly ipv6?: readonly string[];
  /** Closed networks that it was connected to by hand. */
  readonly others?: readonly string[];
};

const tmpfsAt = (path: string): string => `30 20 0:40 / ${path} rw,nosuid - tmpfs tmpfs rw`;

describe('what a server reaches', () => {
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
