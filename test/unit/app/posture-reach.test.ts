import { describe, expect, test } from 'vitest';
import type { Look } from '../../../src/app/inspect/posture-look.ts';
import { mounts, network } from '../../../src/app/inspect/posture-reach.ts';
import { server } from '../../support/planner-world.ts';

/** What is found of a server on the project's own network, with these lines of mountinfo. */
function look({ kind, hidesHost, mountinfo = [] }: LookOptions): Look {
  const lines = { '/proc/self/mountinfo': mountinfo } as Readonly<Record<string, readonly string[]>>;
  return {
    spec: server('a').spec,
    engine: { kind },
    view: {
      hidesHost,
      mounts: [],
      confinement: { networks: [{ name: 'looms-test', internal: true }], publishes: [], tmpfs: ['/tmp'] },
    },
    inside: { lines: (file: string) => lines[file] ?? [], gateway: undefined },
  } as unknown as Look;
}
type LookOptions = {
  readonly kind: 'docker' | 'podman';
  readonly hidesHost: boolean;
  readonly mountinfo?: readonly string[];
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

  test('has the tmpfs that Podman gives a read-only root as no mount, and that of anybody else as one', () => {
    const mountinfo = ['/run', '/var/tmp', '/tmp'].map(tmpfsAt);
    expect(mounts(look({ kind: 'podman', hidesHost: false, mountinfo })).inside).toEqual(['none', true]);
    expect(mounts(look({ kind: 'docker', hidesHost: true, mountinfo })).inside).toEqual(['/run, /var/tmp', false]);
    const other = [...mountinfo, tmpfsAt('/data')];
    expect(mounts(look({ kind: 'podman', hidesHost: false, mountinfo: other })).inside).toEqual(['/data', false]);
  });
});
