import { describe, expect, it } from 'vitest';
import type { Observed } from '../../../../src/docker/model/observed.ts';
import { proxyConfig } from '../../../../src/docker/model/proxy-config.ts';
import { standInConfig } from '../../../../src/docker/model/stand-in.ts';
import type { DeclaredServer, EgressTarget } from '../../../../src/model/desired.ts';
import { format } from '../../../support/format-plan.ts';
import { newEngine, type SimulatedEngine, simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, plan, server, wayOf } from '../../../support/planner-world.ts';

const at = (address: string, port = 1025): EgressTarget => ({ host: address, port, tls: false, address });
const db: EgressTarget = { host: 'db', port: 5432, tls: false };
const led = (name: string, ...egress: EgressTarget[]): DeclaredServer => server(name, { network: { egress } });

const apply = (desired: readonly DeclaredServer[], engine: SimulatedEngine): SimulatedEngine =>
  simulate(plan(desired, engine, { undesired: 'remove' }), engine).end;
const running = (...desired: DeclaredServer[]): SimulatedEngine => apply(desired, newEngine());
const named = ({ containers }: Observed, name: string) => containers.find((one) => one.name === name);
const standIns = (egress: readonly EgressTarget[], observed: Observed = emptyEngine()) =>
  wayOf(led('a', ...egress).spec, observed)?.standIns ?? [];

describe('a server that lists an address', () => {
  it('gets a stand-in that has it, on a network around it, and is made once that listens', () => {
    expect(format(plan([led('a', at('10.1.2.3'))], emptyEngine()))).toMatchInlineSnapshot(`
      "a: create (missing)
      network looms-test: create
      network looms-test-a.10.1.2.0.egress: create
      network looms-test-a.egress: create
      forwarder looms-test-a.egress-1: create
      forwarder looms-test-a.egress-10.1.2.3: create
      network looms-test.out: create
      network:isolated/create: create network looms-test
      network:looms-test.out/create: create network looms-test.out
      network:looms-test-a.egress/create: create network looms-test-a.egress
      network:looms-test-a.10.1.2.0.egress/create: create network looms-test-a.10.1.2.0.egress
      egress:looms-test-a.egress-1/create: create looms-test-a.egress-1 from forwarder:1 after network:looms-test-a.egress/create, network:looms-test.out/create
      egress:looms-test-a.egress-1/start: start looms-test-a.egress-1 after egress:looms-test-a.egress-1/create
      egress:looms-test-a.egress-1/gate: gate: looms-test-a.egress-1 listens within 30s after egress:looms-test-a.egress-1/start
      egress:looms-test-a.egress-10.1.2.3/create: create looms-test-a.egress-10.1.2.3 from forwarder:1 after network:looms-test-a.egress/create, network:looms-test-a.10.1.2.0.egress/create, egress:looms-test-a.egress-1/gate
      egress:looms-test-a.egress-10.1.2.3/start: start looms-test-a.egress-10.1.2.3 after egress:looms-test-a.egress-10.1.2.3/create
      egress:looms-test-a.egress-10.1.2.3/gate: gate: looms-test-a.egress-10.1.2.3 listens within 30s after egress:looms-test-a.egress-10.1.2.3/start
      a/create: create looms-test-a.g1 from example:1 after network:isolated/create, egress:looms-test-a.egress-1/gate, egress:looms-test-a.egress-10.1.2.3/gate
      a/start: start looms-test-a.g1 after a/create
      a/gate: gate: looms-test-a.g1 answers MCP within 30s after a/start, egress:looms-test-a.egress-1/gate, egress:looms-test-a.egress-10.1.2.3/gate
      a/discard: remove looms-test-a.g1 (a/create) after a/start, a/gate only if a/start or a/gate fails
      a/rename: rename looms-test-a.g1 to looms-test-a after a/gate"
    `);
  });

  it('is on the network of its stand-in, which is on none that leads anywhere', () => {
    const end = running(led('a', at('10.1.2.3'), db));
    const networks = (name: string) => named(end, name)?.shape.networks;
    expect(networks('looms-test-a')?.map(({ name }) => name)).toEqual([
      'looms-test',
      'looms-test-a.egress',
      'looms-test-a.10.1.2.0.egress',
    ]);
    expect(networks('looms-test-a.egress-10.1.2.3')).toEqual([
      { name: 'looms-test-a.10.1.2.0.egress', aliases: [], address: '10.1.2.3' },
      { name: 'looms-test-a.egress', aliases: [] },
    ]);
    expect(end.networks.find(({ name }) => name === 'looms-test-a.10.1.2.0.egress')).toMatchObject({
      internal: true,
      options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' },
      subnet: '10.1.2.0/24',
      ipRange: '10.1.2.240/28',
      gateway: '10.1.2.241',
    });
    expect(named(end, 'looms-test-a')?.shape.extraHosts.map((one) => one.split(':')[0])).toEqual(['db']);
    expect(plan([led('a', at('10.1.2.3'), db)], end).steps).toEqual([]);
  });

  it('gets one for each address, of one subnet or of several, with all its ports', () => {
    const found = standIns([at('10.1.2.3', 1), at('10.1.2.3', 2), at('10.1.2.4'), at('10.9.2.4')]);
    expect(found.map(({ address, ports, network }) => [address, ports, network.subnet])).toEqual([
      ['10.1.2.3', [1, 2], '10.1.2.0/24'],
      ['10.1.2.4', [1025], '10.1.2.0/24'],
      ['10.9.2.4', [1025], '10.9.2.0/24'],
    ]);
  });

  it('leaves the engine a part of the subnet in which nothing is listed, and keeps to it', () => {
    const [first] = standIns([at('10.1.2.250'), at('10.1.2.225')]);
    expect(first?.network.ipRange).toBe('10.1.2.208/28');
    const there = running(led('a', at('10.1.2.250')));
    expect(standIns([at('10.1.2.9')], there)[0]?.network.ipRange).toBe('10.1.2.224/28');
    // The engine may have given this one to the server itself.
    expect(plan([led('a', at('10.1.2.226'))], there).changes).toMatchObject([
      { action: 'blocked', why: { kind: 'network-taken', name: expect.stringContaining('10.1.2.224/28') } },
    ]);
  });

  it('is handed on from its stand-in to its forwarder, and from there to the address', () => {
    const way = wayOf(led('a', at('10.1.2.3'), db).spec, emptyEngine());
    const [standIn] = way?.standIns ?? [];
    expect(standIn && standInConfig(standIn)).toMatchInlineSnapshot(`
      "global
        nbthread 1
        maxconn 800
      defaults
        mode tcp
        timeout connect 10s
        timeout client 24d
        timeout server 24d
      listen p1025
        bind 10.1.2.3:1025
        server forwarder 169.254.91.32:1025
      "
    `);
    expect(way && proxyConfig(way).split('\n').slice(19, 25)).toMatchInlineSnapshot(`
      [
        "frontend t0",
        "  bind 169.254.91.32:1025",
        "  tcp-request inspect-delay 10s",
        "  log-format "connection to 10.1.2.3:1025 ended %ts at %[var(txn.at)], name in TLS %[var(txn.sni),bytes(0,253),url_enc], address 10.1.2.3"",
        "  default_backend t0",
        "backend t0",
      ]
    `);
  });

  it('has its stand-in replaced once the forwarder of a changed list listens, and loses it with the address', () => {
    const before = running(led('a', at('10.1.2.3'), db));
    expect(format(plan([led('a', at('10.1.2.3'), at('10.1.2.3', 1026))], before))).toMatchInlineSnapshot(`
      "a: replace start-first (spec-changed)
      forwarder looms-test-a.egress-1: remove
      forwarder looms-test-a.egress-10.1.2.3: replace
      forwarder looms-test-a.egress-2: create
      egress:looms-test-a.egress-2/create: create looms-test-a.egress-2 from forwarder:1
      egress:looms-test-a.egress-2/start: start looms-test-a.egress-2 after egress:looms-test-a.egress-2/create
      egress:looms-test-a.egress-2/gate: gate: looms-test-a.egress-2 listens within 30s after egress:looms-test-a.egress-2/start
      egress:looms-test-a.egress-10.1.2.3/remove:c10100: remove looms-test-a.egress-10.1.2.3 c10100000000 after egress:looms-test-a.egress-2/gate
      egress:looms-test-a.egress-10.1.2.3/create: create looms-test-a.egress-10.1.2.3 from forwarder:1 after egress:looms-test-a.egress-2/gate, egress:looms-test-a.egress-10.1.2.3/remove:c10100
      egress:looms-test-a.egress-10.1.2.3/start: start looms-test-a.egress-10.1.2.3 after egress:looms-test-a.egress-10.1.2.3/create
      egress:looms-test-a.egress-10.1.2.3/gate: gate: looms-test-a.egress-10.1.2.3 listens within 30s after egress:looms-test-a.egress-10.1.2.3/start
      a/create: create looms-test-a.g2 from example:1 after egress:looms-test-a.egress-2/gate, egress:looms-test-a.egress-10.1.2.3/gate
      a/start: start looms-test-a.g2 after a/create
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start, egress:looms-test-a.egress-2/gate, egress:looms-test-a.egress-10.1.2.3/gate
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g2 (a/create) after a/start, a/gate, a/record:failed only if a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g1 c10200000000 after a/drain:old
      a/remove:old: remove looms-test-a.g1 c10200000000 after a/stop:old, a/record:old
      egress:looms-test-a.egress-1/remove:c10000: remove looms-test-a.egress-1 c10000000000 after a/remove:old"
    `);
    const end = apply([led('a', db)], before);
    expect(end.containers.map(({ name }) => name).sort()).toEqual(['looms-test-a', 'looms-test-a.egress-2']);
    expect(end.networks.map(({ name }) => name).sort()).toEqual([
      'looms-test',
      'looms-test-a.egress',
      'looms-test.out',
    ]);
  });

  it('takes all of it with it', () => {
    const before = running(led('a', at('10.1.2.3')));
    expect(format(plan([], before, { undesired: 'remove' }))).toMatchInlineSnapshot(`
      "a: remove (not-in-spec)
      network looms-test: remove
      network looms-test-a.10.1.2.0.egress: remove
      network looms-test-a.egress: remove
      forwarder looms-test-a.egress-1: remove
      forwarder looms-test-a.egress-10.1.2.3: remove
      network looms-test.out: remove
      a/stop:g1-c10200: stop looms-test-a c10200000000
      a/record: record looms-test-a as looms-test-a.h1 (deleted) after a/stop:g1-c10200
      a/remove:g1-c10200: remove looms-test-a c10200000000 after a/stop:g1-c10200, a/record
      network:isolated/remove: remove network looms-test after a/remove:g1-c10200
      egress:looms-test-a.egress-1/remove:c10000: remove looms-test-a.egress-1 c10000000000 after a/remove:g1-c10200
      egress:looms-test-a.egress-10.1.2.3/remove:c10100: remove looms-test-a.egress-10.1.2.3 c10100000000 after a/remove:g1-c10200
      network:looms-test-a.10.1.2.0.egress/remove: remove network looms-test-a.10.1.2.0.egress after a/remove:g1-c10200, egress:looms-test-a.egress-1/remove:c10000, egress:looms-test-a.egress-10.1.2.3/remove:c10100
      network:looms-test-a.egress/remove: remove network looms-test-a.egress after a/remove:g1-c10200, egress:looms-test-a.egress-1/remove:c10000, egress:looms-test-a.egress-10.1.2.3/remove:c10100
      network:looms-test.out/remove: remove network looms-test.out after egress:looms-test-a.egress-1/remove:c10000, egress:looms-test-a.egress-10.1.2.3/remove:c10100"
    `);
    const end = apply([], before);
    expect([...end.containers, ...end.networks]).toEqual([]);
  });

  it('keeps it while it is stopped, and starts a stand-in that somebody stopped', () => {
    const before = running(led('a', at('10.1.2.3')));
    const stopped = server('a', { enabled: false, network: { egress: [at('10.1.2.3')] } });
    const end = apply([stopped], before);
    expect(named(end, 'looms-test-a.egress-10.1.2.3')?.state.status).toBe('running');
    const exited = { status: 'exited', exitCode: 0, finishedAt: 0, oomKilled: false } as const;
    const containers = before.containers.map((one) =>
      one.name === 'looms-test-a.egress-10.1.2.3' ? { ...one, state: exited } : one,
    );
    expect(plan([led('a', at('10.1.2.3'))], { ...before, containers }).support).toMatchObject([
      { kind: 'forwarder', name: 'looms-test-a.egress-10.1.2.3', action: 'start' },
    ]);
  });

  it('is blocked where another network has these addresses, or another server of the plan lists one', () => {
    const taken = plan([led('a', at('10.1.2.3'))], emptyEngine({ subnets: ['10.1.0.0/16'] }));
    expect(taken.changes).toMatchObject([
      {
        action: 'blocked',
        why: { detail: expect.stringContaining('another network of the engine (10.1.0.0/16) has') },
      },
    ]);
    const both = plan([led('b', at('10.1.2.4')), led('a', at('10.1.2.3'))], emptyEngine());
    expect(both.changes).toMatchObject([
      { server: 'a', action: 'create' },
      { server: 'b', action: 'blocked', why: { detail: expect.stringContaining('(10.1.2.0/24), and a has') } },
    ]);
  });
});
