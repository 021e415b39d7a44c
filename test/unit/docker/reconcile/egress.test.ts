import { describe, expect, it } from 'vitest';
import type { Observed } from '../../../../src/docker/model/observed.ts';
import { proxyConfig } from '../../../../src/docker/model/proxy-config.ts';
import type { DeclaredServer, EgressTarget } from '../../../../src/model/desired.ts';
import { asProjectName, asServerName } from '../../../../src/model/ids.ts';
import { format } from '../../../support/format-plan.ts';
import { newEngine, type SimulatedEngine, simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, plan, server, wayOf } from '../../../support/planner-world.ts';

const target = (host: string, port = 5432): EgressTarget => ({ host, port, tls: port === 443 });
const led = (name: string, ...hosts: string[]): DeclaredServer =>
  server(name, { network: { egress: hosts.map((host) => target(host)) } });

const apply = (desired: readonly DeclaredServer[], engine: SimulatedEngine): SimulatedEngine =>
  simulate(plan(desired, engine, { project: engine.project, undesired: 'remove' }), engine).end;

const running = (...desired: DeclaredServer[]): SimulatedEngine => apply(desired, newEngine());

const named = ({ containers }: Observed, name: string) => containers.find((one) => one.name === name);

/** The engine after somebody changed the forwarder of `a`. */
const changed = (engine: SimulatedEngine, change: Partial<Observed['containers'][number]>): SimulatedEngine => ({
  ...engine,
  containers: engine.containers.map((one) => (one.role === 'forwarder' ? { ...one, ...change } : one)),
});

describe('a server that lists hosts', () => {
  it('gets a network and a forwarder of its own, and is made once that listens', () => {
    expect(format(plan([led('a', 'db')], emptyEngine()))).toMatchInlineSnapshot(`
      "a: create (missing)
      network looms-test: create
      network looms-test-a.egress: create
      forwarder looms-test-a.egress-1: create
      network looms-test.out: create
      network:isolated/create: create network looms-test
      network:looms-test.out/create: create network looms-test.out
      network:looms-test-a.egress/create: create network looms-test-a.egress
      egress:looms-test-a.egress-1/create: create looms-test-a.egress-1 from forwarder:1 after network:looms-test-a.egress/create, network:looms-test.out/create
      egress:looms-test-a.egress-1/start: start looms-test-a.egress-1 after egress:looms-test-a.egress-1/create
      egress:looms-test-a.egress-1/gate: gate: looms-test-a.egress-1 listens within 30s after egress:looms-test-a.egress-1/start
      a/create: create looms-test-a.g1 from example:1 after network:isolated/create, egress:looms-test-a.egress-1/gate
      a/start: start looms-test-a.g1 after a/create
      a/gate: gate: looms-test-a.g1 answers MCP within 30s after a/start, egress:looms-test-a.egress-1/gate
      a/discard: remove looms-test-a.g1 (a/create) after a/start, a/gate only if a/start or a/gate fails
      a/rename: rename looms-test-a.g1 to looms-test-a after a/gate"
    `);
  });

  it('shares the way out with its neighbours, and nothing else of it', () => {
    const end = running(led('a', 'db'), led('b', 'other'));
    const networks = (name: string) => named(end, name)?.shape.networks.map((one) => one.name);
    expect(networks('looms-test-a')).toEqual(['looms-test', 'looms-test-a.egress']);
    expect(networks('looms-test-b')).toEqual(['looms-test', 'looms-test-b.egress']);
    expect(networks('looms-test-a.egress-1')).toEqual(['looms-test-a.egress', 'looms-test.out']);
    expect(networks('looms-test-b.egress-1')).toEqual(['looms-test-b.egress', 'looms-test.out']);
    const subnets = end.networks.flatMap(({ subnet }) => subnet ?? []);
    expect(new Set(subnets).size).toBe(2);
  });

  it('that learns is led nowhere, and to nothing but its list', () => {
    const learning = (...hosts: string[]): DeclaredServer =>
      server('a', { network: { egress: hosts.map((host) => target(host)), egressLearn: true } });
    const alone = running(learning());
    const networks = (engine: SimulatedEngine) =>
      named(engine, 'looms-test-a.egress-1')?.shape.networks.map((one) => one.name);
    expect(networks(alone)).toEqual(['looms-test-a.egress']);
    expect(alone.networks.map(({ name }) => name)).not.toContain('looms-test.out');
    expect(plan([learning()], alone).steps).toEqual([]);
    expect(networks(running(learning('db')))).toEqual(['looms-test-a.egress', 'looms-test.out']);
    const [own, learned] = [wayOf(learning('db').spec, emptyEngine()), wayOf(learning().spec, emptyEngine())];
    expect(own?.learn?.addresses).toHaveLength(29);
    expect(own?.learn?.addresses).not.toContain(own?.addresses.get('db'));
    expect(own?.mark).not.toBe(learned?.mark);
    // The list that was learned has a forwarder of its own, and the way out is made for it and goes with it.
    const listed = apply([led('a', 'db')], alone);
    expect(listed.networks.map(({ name }) => name)).toContain('looms-test.out');
    expect(named(listed, 'looms-test-a.egress-1')).toBeUndefined();
    const again = apply([learning()], listed);
    expect(again.networks.map(({ name }) => name)).not.toContain('looms-test.out');
  });

  it('knows each host by an address of its own, so that two of them can have one port', () => {
    const way = wayOf(led('a', 'db', 'other').spec, emptyEngine());
    const end = running(led('a', 'db', 'other'));
    const hosts = [...(way?.addresses ?? [])].map(([host, address]) => `${host}:${address}`);
    expect(new Set(way?.addresses.values()).size).toBe(2);
    expect(named(end, 'looms-test-a')?.shape).toMatchObject({ extraHosts: hosts, dns: [way?.names] });
  });

  it('takes a subnet that no network of the engine overlaps', () => {
    const first = wayOf(led('a', 'db').spec, emptyEngine())?.network.subnet ?? '';
    const next = wayOf(led('a', 'db').spec, emptyEngine({ subnets: [first] }))?.network.subnet;
    expect(first).toMatch(/^169\.254\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.(?:0|128)\/25$/);
    expect(next).toMatch(/^169\.254\..*\/25$/);
    expect(next).not.toBe(first);
  });

  it('gets another subnet than a server of the same plan that begins at the same place', () => {
    const project = asProjectName('default');
    const both = ['api', 'fs'].map((name) => led(name, 'db'));
    const alone = both.map(({ spec }) => wayOf(spec, emptyEngine({ project }))?.network.subnet);
    expect(new Set(alone).size).toBe(1);
    const first = plan(both, emptyEngine({ project }), { project });
    const subnets = first.steps.flatMap((step) => (step.op === 'create-network' ? (step.network.subnet ?? []) : []));
    expect(new Set(subnets).size).toBe(2);
    // What one has stays, also where the other one comes first by name.
    const fs = apply(both.slice(1), newEngine({ project }));
    const end = apply(both, fs);
    const networks = ({ networks }: Observed) =>
      networks.flatMap(({ name, subnet }) => (subnet ? `${name} ${subnet}` : []));
    expect(networks(end)).toEqual(expect.arrayContaining(networks(fs)));
    expect(new Set(networks(end).map((one) => one.split(' ')[1])).size).toBe(2);
    expect(plan(both, end, { project }).steps).toEqual([]);
  });

  it('is blocked where no subnet is left, and where the engine gives no such addresses', () => {
    const full = emptyEngine({ subnets: ['169.254.0.0/16'] });
    expect(plan([led('a', 'db')], full).changes).toMatchObject([
      { action: 'blocked', why: { kind: 'unsupported', detail: expect.stringContaining('no subnet left') } },
    ]);
    const { engine } = emptyEngine();
    const podman = emptyEngine({ engine: { ...engine, kind: 'podman', canHideHost: false } });
    expect(plan([led('a', 'db')], podman).changes).toMatchObject([
      { action: 'blocked', why: { kind: 'unsupported', detail: expect.stringContaining('Podman') } },
    ]);
  });

  it('is blocked where the rules of its entries are longer than one argument of a program', () => {
    const listing = (count: number) => {
      const egress = [...Array(count).keys()].map((port) => ({
        ...target('db.example.com', 20_000 + port),
        tls: true,
      }));
      return plan([server('a', { network: { egress } })], emptyEngine()).changes;
    };
    expect(listing(130)).toMatchObject([{ action: 'create' }]);
    expect(listing(160)).toMatchObject([
      {
        action: 'blocked',
        why: {
          kind: 'unsupported',
          detail: expect.stringMatching(/egress.*160 entries have \d+ bytes, and a forwarder takes 131071$/),
        },
      },
    ]);
  });

  it('is blocked by a network of its name that leads elsewhere', () => {
    const end = running(led('a', 'db'));
    const open = end.networks.map((one) => (one.name === 'looms-test-a.egress' ? { ...one, internal: false } : one));
    const again = plan([led('a', 'db', 'other')], { ...end, networks: open });
    expect(again.changes).toMatchObject([
      { action: 'blocked', why: { kind: 'network-taken', name: 'looms-test-a.egress: internal is false' } },
    ]);
  });

  it.each(['looms-test-a.egress', 'looms-test.out'])('is blocked by IPv6 on %s', (name) => {
    const end = running(led('a', 'db'));
    const changed = end.networks.map((one) => (one.name === name ? { ...one, ipv6: true } : one));
    expect(plan([led('a', 'db', 'other')], { ...end, networks: changed }).changes).toMatchObject([
      { action: 'blocked', why: { kind: 'network-taken', name: `${name}: it has IPv6` } },
    ]);
  });

  it('gets a second forwarder when its list changes; the first goes with the container that was made with it', () => {
    expect(format(plan([led('a', 'db', 'other')], running(led('a', 'db'))))).toMatchInlineSnapshot(`
      "a: replace start-first (spec-changed)
      forwarder looms-test-a.egress-1: remove
      forwarder looms-test-a.egress-2: create
      egress:looms-test-a.egress-2/create: create looms-test-a.egress-2 from forwarder:1
      egress:looms-test-a.egress-2/start: start looms-test-a.egress-2 after egress:looms-test-a.egress-2/create
      egress:looms-test-a.egress-2/gate: gate: looms-test-a.egress-2 listens within 30s after egress:looms-test-a.egress-2/start
      a/create: create looms-test-a.g2 from example:1 after egress:looms-test-a.egress-2/gate
      a/start: start looms-test-a.g2 after a/create
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start, egress:looms-test-a.egress-2/gate
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g2 (a/create) after a/start, a/gate, a/record:failed only if a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g1 c10100000000 after a/drain:old
      a/remove:old: remove looms-test-a.g1 c10100000000 after a/stop:old, a/record:old
      egress:looms-test-a.egress-1/remove:c10000: remove looms-test-a.egress-1 c10000000000 after a/remove:old"
    `);
  });

  it('keeps the forwarder of the list that it had when the new one fails its gate', () => {
    const before = running(led('a', 'db'));
    const after = simulate(plan([led('a', 'other')], before), before, { failGate: ['a'] }).end;
    expect(named(after, 'looms-test-a.egress-1')?.state.status).toBe('running');
    const back = simulate(plan([led('a', 'db')], after), after).end;
    expect(back.containers.map(({ name }) => name).sort()).toEqual(['looms-test-a', 'looms-test-a.egress-1']);
  });

  it('keeps its forwarder where a fourth list is tried: that takes the place of one that failed and was kept', () => {
    const kept = (host: string) =>
      server('a', { network: { egress: [target(host)] }, lifecycle: { autoCleanup: false } });
    const tried = (engine: SimulatedEngine, host: string): SimulatedEngine =>
      simulate(plan([kept(host)], engine), engine, { failGate: ['a'] }).end;
    const first = running(kept('db'));
    const third = ['b', 'c'].reduce(tried, first);
    const fourth = tried(third, 'd');
    const forwarders = ({ containers }: Observed) =>
      containers.filter(({ role }) => role === 'forwarder').map(({ id, name }) => `${name} ${id}`);
    const stayed = forwarders(third).filter((one) => forwarders(fourth).includes(one));
    expect(stayed.map((one) => one.split(' ')[0])).toEqual(['looms-test-a.egress-1', 'looms-test-a.egress-3']);
    expect(forwarders(fourth)).toHaveLength(3);
    expect(plan([kept('db')], fourth).changes).toMatchObject([{ action: 'clean-up' }]);
    expect(apply([kept('d')], fourth).containers).toMatchObject([
      { name: 'looms-test-a.egress-2' },
      { name: 'looms-test-a' },
    ]);
  });

  it('is blocked where three generations run and each has a list of its own, until one of them is gone', () => {
    const cut = (engine: SimulatedEngine, host: string): SimulatedEngine =>
      simulate(plan([led('a', host)], engine), engine, { limit: 5 }).end;
    const three = ['b', 'c'].reduce(cut, running(led('a', 'db')));
    const detail =
      'network.egress: three generations of the server have a list of their own, and there is no place for a fourth';
    const hint = 'apply one of these lists again, or `docker rm -f looms-test-a.g3`, which does not serve';
    const blocked = plan([led('a', 'd')], three);
    expect(blocked.changes).toMatchObject([{ action: 'blocked', why: { kind: 'unsupported', detail, hint } }]);
    expect(blocked.steps).toEqual([]);
    expect(plan([led('a', 'c')], three).changes).toMatchObject([{ action: 'replace' }]);
    const two = { ...three, containers: three.containers.filter(({ name }) => name !== 'looms-test-a.g3') };
    expect(plan([led('a', 'd')], two).changes).toMatchObject([{ action: 'replace' }]);
  });

  it('loses all of it with its list', () => {
    expect(format(plan([server('a')], running(led('a', 'db'))))).toMatchInlineSnapshot(`
      "a: replace start-first (spec-changed)
      network looms-test-a.egress: remove
      forwarder looms-test-a.egress-1: remove
      network looms-test.out: remove
      a/create: create looms-test-a.g2 from example:1
      a/start: start looms-test-a.g2 after a/create
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g2 (a/create) after a/start, a/gate, a/record:failed only if a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g1 c10100000000 after a/drain:old
      a/remove:old: remove looms-test-a.g1 c10100000000 after a/stop:old, a/record:old
      egress:looms-test-a.egress-1/remove:c10000: remove looms-test-a.egress-1 c10000000000 after a/remove:old
      network:looms-test-a.egress/remove: remove network looms-test-a.egress after a/remove:old, egress:looms-test-a.egress-1/remove:c10000
      network:looms-test.out/remove: remove network looms-test.out after egress:looms-test-a.egress-1/remove:c10000"
    `);
  });

  it('takes all of it with it', () => {
    const made = plan([], running(led('a', 'db')), { undesired: 'remove' });
    expect(format(made)).toMatchInlineSnapshot(`
      "a: remove (not-in-spec)
      network looms-test: remove
      network looms-test-a.egress: remove
      forwarder looms-test-a.egress-1: remove
      network looms-test.out: remove
      a/stop:g1-c10100: stop looms-test-a c10100000000
      a/record: record looms-test-a as looms-test-a.h1 (deleted) after a/stop:g1-c10100
      a/remove:g1-c10100: remove looms-test-a c10100000000 after a/stop:g1-c10100, a/record
      network:isolated/remove: remove network looms-test after a/remove:g1-c10100
      egress:looms-test-a.egress-1/remove:c10000: remove looms-test-a.egress-1 c10000000000 after a/remove:g1-c10100
      network:looms-test-a.egress/remove: remove network looms-test-a.egress after a/remove:g1-c10100, egress:looms-test-a.egress-1/remove:c10000
      network:looms-test.out/remove: remove network looms-test.out after egress:looms-test-a.egress-1/remove:c10000"
    `);
  });

  it('leaves the way out to those that stay', () => {
    const end = apply([led('b', 'other')], running(led('a', 'db'), led('b', 'other')));
    expect(end.containers.map(({ name }) => name).sort()).toEqual(['looms-test-b', 'looms-test-b.egress-1']);
    expect(end.networks.map(({ name }) => name).sort()).toEqual([
      'looms-test',
      'looms-test-b.egress',
      'looms-test.out',
    ]);
  });

  it('keeps its forwarder while it is stopped', () => {
    const stopped = server('a', { enabled: false, network: { egress: [target('db')] } });
    const end = apply([stopped], running(led('a', 'db')));
    expect(named(end, 'looms-test-a.egress-1')?.state.status).toBe('running');
    expect(plan([led('a', 'db')], end).support).toEqual([]);
  });
});

describe('a forwarder', () => {
  it('that somebody stopped is started, and waited for', () => {
    const there = changed(running(led('a', 'db')), {
      state: { status: 'exited', exitCode: 137, finishedAt: 0, oomKilled: false },
    });
    expect(format(plan([led('a', 'db')], there))).toMatchInlineSnapshot(`
      "a: unchanged
      forwarder looms-test-a.egress-1: start
      egress:looms-test-a.egress-1/start: start looms-test-a.egress-1
      egress:looms-test-a.egress-1/gate: gate: looms-test-a.egress-1 listens within 30s after egress:looms-test-a.egress-1/start"
    `);
  });

  it('that was removed is made again with the addresses that its server counts on', () => {
    const end = running(led('a', 'db'));
    const without = { ...end, containers: end.containers.filter(({ role }) => role !== 'forwarder') };
    const made = plan([led('a', 'db')], without);
    expect(made.changes).toMatchObject([{ server: 'a', action: 'unchanged' }]);
    expect(made.support).toMatchObject([{ kind: 'forwarder', name: 'looms-test-a.egress-1', action: 'create' }]);
  });

  it('that was given another way or another list by hand is replaced, and what differs is named', () => {
    const end = running(led('a', 'db'));
    const { shape } = named(end, 'looms-test-a.egress-1') ?? {};
    if (shape === undefined) throw new Error('no forwarder');
    const open = { ...shape, capAdd: ['NET_ADMIN'], networks: [...shape.networks, { name: 'bridge', aliases: [] }] };
    const made = plan([led('a', 'db')], changed(end, { shape: open }));
    expect(format(made)).toMatchInlineSnapshot(`
      "a: unchanged
      forwarder looms-test-a.egress-1: replace
      egress:looms-test-a.egress-1/remove:c10000: remove looms-test-a.egress-1 c10000000000
      egress:looms-test-a.egress-1/create: create looms-test-a.egress-1 from forwarder:1 after egress:looms-test-a.egress-1/remove:c10000
      egress:looms-test-a.egress-1/start: start looms-test-a.egress-1 after egress:looms-test-a.egress-1/create
      egress:looms-test-a.egress-1/gate: gate: looms-test-a.egress-1 listens within 30s after egress:looms-test-a.egress-1/start"
    `);
  });

  it('with the program of another version of looms is replaced, and that is said instead of the program', () => {
    const end = running(led('a', 'db'));
    const { shape } = named(end, 'looms-test-a.egress-1') ?? {};
    if (shape === undefined) throw new Error('no forwarder');
    const older = { ...shape, command: [...shape.command, 'x'] };
    expect(plan([led('a', 'db')], changed(end, { shape: older })).support).toEqual([
      { kind: 'forwarder', name: 'looms-test-a.egress-1', action: 'replace', reasons: [{ kind: 'other-program' }] },
    ]);
    const both = { ...older, capAdd: ['NET_ADMIN'] };
    expect(plan([led('a', 'db')], changed(end, { shape: both })).support).toMatchObject([
      { reasons: [{ kind: 'live-drift', fields: [{ to: 'none' }] }, { kind: 'other-program' }] },
    ]);
  });

  it('of a server that is gone is removed', () => {
    const end = running(led('a', 'db'));
    const orphaned = { ...end, containers: end.containers.filter(({ role }) => role === 'forwarder') };
    const names = apply([], orphaned).containers.map(({ name }) => name);
    expect(names).toEqual([]);
  });

  it('is not made while its server is kept stopped and has never been there', () => {
    const stopped = server('a', { enabled: false, network: { egress: [target('db')] } });
    expect(plan([stopped], emptyEngine()).steps).toEqual([]);
  });
});

describe('what a forwarder lets through', () => {
  it('is the listed name and port, by the name in TLS where a connection has one', () => {
    const targets = [
      target('db'),
      target('api.example.com', 443),
      target('*.example.com', 443),
      { host: 'old', port: 1025, tls: false, address: '10.1.2.3' },
    ];
    const { spec } = server('a', { network: { egress: targets } });
    const way = wayOf({ ...spec, name: asServerName('a') }, emptyEngine());
    expect(way && proxyConfig(way)).toMatchInlineSnapshot(`
      "global
        log stdout len 2048 format raw daemon
        nbthread 1
        maxconn 800
      defaults
        mode tcp
        log global
        option dontlog-normal
        option clitcpka
        option srvtcpka
        timeout connect 10s
        timeout client 24d
        timeout server 24d
      resolvers engine
        nameserver engine 127.0.0.11:53
        hold valid 1s
        resolve_retries 2
        timeout resolve 1s
        timeout retry 1s
      frontend t0
        bind 169.254.91.32:5432
        tcp-request inspect-delay 10s
        tcp-request content set-var(txn.at) str(name)
        tcp-request content do-resolve(txn.to,engine,ipv4) str(db)
        tcp-request content reject unless { var(txn.to) -m found }
        tcp-request content set-var(txn.at) str(address)
        tcp-request content reject if { var(txn.to) -m ip 0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3 =own-networks= }
        tcp-request content set-dst var(txn.to)
        log-format "connection to db:5432 ended %ts at %[var(txn.at)], name in TLS %[var(txn.sni),bytes(0,253),url_enc], address %[var(txn.to)]"
        default_backend t0
      backend t0
        server target 0.0.0.0:5432
      frontend t1
        bind 169.254.91.33:443
        tcp-request inspect-delay 10s
        tcp-request content set-var(txn.at) str(tls)
        tcp-request content set-var(txn.sni) req.ssl_sni
        tcp-request content reject unless { req.ssl_sni -i api.example.com }
        tcp-request content set-var(txn.at) str(name)
        tcp-request content do-resolve(txn.to,engine,ipv4) str(api.example.com)
        tcp-request content reject unless { var(txn.to) -m found }
        tcp-request content set-var(txn.at) str(address)
        tcp-request content reject if { var(txn.to) -m ip 0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3 =own-networks= }
        tcp-request content set-dst var(txn.to)
        log-format "connection to api.example.com:443 ended %ts at %[var(txn.at)], name in TLS %[var(txn.sni),bytes(0,253),url_enc], address %[var(txn.to)]"
        default_backend t1
      backend t1
        server target 0.0.0.0:443
      frontend t2
        bind 169.254.91.34:443
        tcp-request inspect-delay 10s
        tcp-request content set-var(txn.at) str(tls)
        tcp-request content set-var(txn.sni) req.ssl_sni
        tcp-request content reject unless { req.ssl_sni -m end -i .example.com } { req.ssl_sni -m reg -i ^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$ }
        tcp-request content set-var(txn.at) str(name)
        tcp-request content do-resolve(txn.to,engine,ipv4) req.ssl_sni,lower
        tcp-request content reject unless { var(txn.to) -m found }
        tcp-request content set-var(txn.at) str(address)
        tcp-request content reject if { var(txn.to) -m ip 0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3 =own-networks= }
        tcp-request content set-dst var(txn.to)
        log-format "connection to *.example.com:443 ended %ts at %[var(txn.at)], name in TLS %[var(txn.sni),bytes(0,253),url_enc], address %[var(txn.to)]"
        default_backend t2
      backend t2
        server target 0.0.0.0:443
      frontend t3
        bind 169.254.91.35:1025
        tcp-request inspect-delay 10s
        log-format "connection to old:1025 ended %ts at %[var(txn.at)], name in TLS %[var(txn.sni),bytes(0,253),url_enc], address 10.1.2.3"
        default_backend t3
      backend t3
        server target 10.1.2.3:1025
      "
    `);
  });
});
