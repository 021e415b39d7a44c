import { describe, expect, it } from 'vitest';
import type { Observed, ObservedContainer } from '../../../src/docker/model/observed.ts';
import type { ContainerShape } from '../../../src/docker/model/shape.ts';
import { listingOf } from '../../../src/docker/views/server-views.ts';
import { newEngine, simulate } from '../../support/planner-simulation.ts';
import { plan, server } from '../../support/planner-world.ts';

const address = '10.1.2.3';
const desired = [
  server('a', {
    network: {
      egress: [
        { host: 'db', port: 5432, tls: false },
        { host: address, port: 1025, tls: false, address },
      ],
    },
  }),
  server('b', {}),
];
const running = simulate(plan(desired, newEngine(), { undesired: 'remove' }), newEngine()).end;

/** The engine after somebody changed the container of this name. */
const changed = (name: string, change: (shape: ContainerShape) => Partial<ContainerShape>): Observed => ({
  ...running,
  containers: running.containers.map((one: ObservedContainer) =>
    one.name === `looms-test-${name}` ? { ...one, shape: { ...one.shape, ...change(one.shape) } } : one,
  ),
});
const confinement = (observed: Observed, name: string) =>
  listingOf(observed).servers.find((one) => one.name === name)?.confinement;
const without = (network: string) => (shape: ContainerShape) => ({
  networks: shape.networks.filter(({ name }) => name !== `looms-test${network}`),
});
const connected = (network: string) => (shape: ContainerShape) => ({
  networks: [...shape.networks, { name: network, aliases: [] }],
});
const field = (network: string): string => `docker_backend.network.looms-test${network}`;

describe('what a listing tells of how a server is led out', () => {
  it('is its forwarder where all is as it is made', () => {
    const forwarder = { name: 'looms-test-a.egress-1', running: true, joined: true, differs: [] };
    expect(confinement(running, 'a')?.forwarder).toMatchObject(forwarder);
    expect(confinement(running, 'a')?.networks.every(({ isRecorded }) => isRecorded)).toBe(true);
    expect(confinement(running, 'b')?.forwarder).toBe(null);
  });

  it.each([
    ['the forwarder off its way out', 'a.egress-1', without('.out'), field('.out')],
    ['the forwarder on another network', 'a.egress-1', connected('bridge'), 'docker_backend.network.bridge'],
    [
      'the forwarder without its addresses',
      'a.egress-1',
      ({ networks }: ContainerShape) => ({ networks: networks.map(({ name, aliases }) => ({ name, aliases })) }),
      field('-a.egress'),
    ],
    ['the forwarder with another program', 'a.egress-1', () => ({ command: ['-e', 'other'] }), 'command'],
    ['the stand-in on another network', `a.egress-${address}`, connected('bridge'), 'docker_backend.network.bridge'],
    ['the stand-in off its forwarder’s network', `a.egress-${address}`, without('-a.egress'), field('-a.egress')],
    [
      'the stand-in with a capability',
      `a.egress-${address}`,
      () => ({ capAdd: ['NET_RAW'] }),
      'docker_backend.security.cap_add',
    ],
  ] as const)('names %s', (_, name, change, differs) => {
    const found = confinement(changed(name, change), 'a')?.forwarder;
    expect(found).toMatchObject({ name: `looms-test-${name}`, differs: [differs] });
  });

  it('names a network of another server that it was connected to, and one of its own that it is off', () => {
    const networks = confinement(changed('b', connected('looms-test-a.egress')), 'b')?.networks;
    expect(networks?.map(({ name, isRecorded }) => [name, isRecorded])).toEqual([
      ['looms-test', true],
      ['looms-test-a.egress', false],
    ]);
    expect(confinement(changed('a', without('-a.10.1.2.0.egress')), 'a')?.forwarder).toMatchObject({ joined: false });
  });
});
