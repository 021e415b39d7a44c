import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mapBounded } from '../../../src/model/values/map-bounded.ts';
import { attack } from '../../support/attacker.ts';
import { attemptsFrom, gatewayOf, isOneWay, openOf, placeOf, surroundingsOf, tryAll } from '../../support/attacks.ts';
import { eventually } from '../../support/eventually.ts';
import { testLabel, withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { outsideAddress } from '../../support/outside.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** The first bytes of TLS with a name in it, or without one, in hexadecimal. */
function hello(name: string): string {
  const sized = (bytes: number, ...parts: readonly Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(body.length);
    return Buffer.concat([size.subarray(4 - bytes), body]);
  };
  const host = Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(name))]);
  const extensions = name === '' ? [] : [Buffer.from([0, 0]), sized(2, sized(2, host))];
  const suites = sized(2, Buffer.from([0x13, 0x01]));
  const parts = [Buffer.from([3, 3]), Buffer.alloc(32, 7), Buffer.from([0]), suites, Buffer.from([1, 0])];
  const message = Buffer.concat([Buffer.from([1]), sized(3, ...parts, sized(2, ...extensions))]);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, message)]).toString('hex');
}

/** Answers what it is told, and keeps it. */
async function listen(): Promise<{ server: Server; port: number; heard: string[] }> {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (said) => {
      heard.push(said.toString('latin1'));
      socket.write(`you said ${said.length}`);
    });
  }).listen(0, '0.0.0.0');
  await once(server, 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0, heard };
}

describe.skipIf(withoutEngine() || outsideAddress === undefined)('a server with an allow-list', () => {
  const project = testProject('egress');
  const { docker } = project;
  const address = outsideAddress ?? '';
  const label = testLabel('egress');
  /** Of a target that is neither of the project nor of the machine. */
  const testNetwork = `outside-${randomBytes(4).toString('hex')}`;
  const networks: Docker.Network[] = [];
  const containers: Docker.Container[] = [];
  let allowed: Awaited<ReturnType<typeof listen>>;
  let other: Awaited<ReturnType<typeof listen>>;
  const udp = createSocket('udp4');
  const heardByUdp: string[] = [];

  const spec = (name: string, egress: readonly unknown[]): string =>
    changed(tinySpec({ name }), { backend: egress.length === 0 ? {} : { network: { egress } } });
  const listOfA = () => [
    { host: 'db', address, port: allowed.port },
    { host: 'moving', port: 7001 },
    { host: 'gate', port: other.port, tls: false },
    { host: 'tls', address, port: other.port, tls: true },
    '*.wild.example:443',
  ];
  const yaml = () =>
    specs(spec('a', listOfA()), spec('b', [{ host: 'theirs', address, port: other.port }]), spec('c', []));
  const from = (server: string, ...attempt: readonly string[]) => attack(project.container(server), ...attempt);
  const forwarder = (server: string, part = 1): Docker.Container =>
    docker.getContainer(`looms-${project.name}-${server}.egress-${part}`);
  const reaches = () => from('a', 'tcp', 'db', String(allowed.port));
  beforeAll(async () => {
    [allowed, other] = await Promise.all([listen(), listen()]);
    udp.on('message', (said) => heardByUdp.push(said.toString()));
    udp.on('message', (said, { port, address: to }) => udp.send(said, port, to));
    udp.bind(allowed.port, '0.0.0.0');
    const applied = await project.apply(yaml());
    expect(applied, applied.stderr).toExit(0);
  });
  afterAll(async () => {
    allowed?.server.close();
    other?.server.close();
    udp.close();
    for (const one of containers) await one.remove({ force: true });
    await project.remove();
    // An engine counts endpoints of containers for a moment after they are gone.
    for (const one of networks) await eventually(() => one.remove());
  });

  test('reaches what it lists, by the name, and is in sync', async () => {
    expect(await reaches()).toBe('open: you said 4');
    expect(await from('b', 'tcp', 'theirs', String(other.port))).toBe('open: you said 4');
    const { plan } = await project.diff(yaml());
    expect(changesAsText(plan)).toEqual([]);
    expect(plan.support).toEqual([]);
  });

  test('reaches nothing else, whatever it tries', async () => {
    const around = await surroundingsOf(project, 'a', {
      host: 'db',
      address,
      port: allowed.port,
      otherPort: other.port,
    });
    const b = await placeOf(project.container('b'), 'theirs');
    const [p, q] = [String(allowed.port), String(other.port)];
    const before = allowed.heard.length + other.heard.length;
    const results = await tryAll(project.container('a'), {
      ...attemptsFrom(around),
      'the forwarder of a neighbour': ['tcp', b, q],
      'a neighbour’s host by its name': ['tcp', 'theirs', q],
      'a source route by a neighbour': ['tcp', address, p, 'by=b'],
      'a tunnel below a wildcard’s name': ['dns', around.names, 'c2VjcmV0.wild.example'],
      'TLS for another name': ['tcp', 'tls', q, `hex=${hello('elsewhere.example')}`],
      'TLS for a name with a blank': ['tcp', 'tls', q, `hex=${hello('else where')}`],
      'TLS for a name below the listed one': ['tcp', 'tls', q, `hex=${hello('x.tls')}`],
      'TLS for a name that begins like it': ['tcp', 'tls', q, `hex=${hello('tls.example')}`],
      'TLS without a name': ['tcp', 'tls', q, `hex=${hello('')}`],
      'no TLS where there should be': ['tcp', 'tls', q],
      'a wildcard’s address for another name': ['tcp', 'x.wild.example', '443', `hex=${hello('elsewhere.example')}`],
      'a wildcard’s address for a name that ends like it': [
        'tcp',
        'x.wild.example',
        '443',
        `hex=${hello('evilwild.example')}`,
      ],
    });
    expect(openOf(results)).toEqual([]);
    expect(allowed.heard.length + other.heard.length).toBe(before);
    console.log('heard of datagrams to everybody:', heardByUdp);
    expect(heardByUdp.filter((what) => !isOneWay(what))).toEqual([]);
    expect(Object.keys(results).length).toBeGreaterThan(60);
  });

  test('hears what it may reach, and what it was refused', async () => {
    const { stdout, code } = await project.run(['mcp', 'info', 'a']);
    console.log(stdout);
    expect(code).toBe(0);
    expect(stdout).toContain(
      `a way out to *.wild.example:443, db:${allowed.port}, gate:${other.port}, moving:7001, tls:${other.port}`,
    );
    const { refused } = JSON.parse((await project.run(['mcp', 'info', 'a', '--json'])).stdout) as {
      refused: { what: string; times: number }[];
    };
    const times = (what: string) => refused.find((one) => one.what === what)?.times ?? 0;
    expect(times('example.com: not listed')).toBeGreaterThan(0);
    expect(times('c2vjcmv0.tunnel.example.com: not listed')).toBeGreaterThan(1);
    expect(times(`tls:${other.port}: TLS for elsewhere.example`)).toBe(1);
    expect(times(`tls:${other.port}: TLS for else%20where`)).toBe(1);
    expect(times(`tls:${other.port}: no name in TLS`)).toBe(2);
    // What went well is not noted, so that it pushes nothing out.
    const log = await forwarder('a').logs({ stdout: true, stderr: true });
    expect(log.toString()).not.toContain(`connection to db:${allowed.port} ended`);
    const described = await project.run(['describe', 'a']);
    expect(described.stdout).toMatch(/refused +\S+: not listed, \d+ times/);
    const { stdout: posture } = await project.run(['posture', 'a', 'c']);
    console.log(posture);
    const said = { text: 'getaddrinfo ENOTFOUND example.com' };
    const failed = await project.run(['mcp', 'call', 'a', 'fail', JSON.stringify(said)]);
    expect(failed.stderr).toMatch(/refused so far: example\.com: not listed \(\d+\)/);
    const own = `looms-${project.name}-a.egress-1`;
    expect(posture).toMatch(new RegExp(`egress +kept .*${own}`));
    expect(posture).toMatch(/egress +kept +nothing +no open network/);
    const suggested = await project.run(['egress', 'suggest', 'a']);
    console.log(suggested.stdout, suggested.stderr);
    expect(suggested).toExit(0);
    expect(suggested.stderr).toMatch(/counted since \S+, when the forwarder of a was made; what was tried before that/);
    expect(suggested.stdout).toMatch(/^docker_backend:\n {2}network:\n {4}egress:\n {6}- "\*\.wild\.example:443"\n/);
    const filled = suggested.stdout
      .replaceAll(':PORT', ':443')
      .replace('docker_backend:', `name: d\n$&\n  base_image: node:24-slim`);
    expect(await project.run(['validate', '-f', '-'], { stdin: `${filled}mcp_server: { command: node }\n` })).toExit(0);
    const unfilled = await project.run(['validate', '-f', '-'], { stdin: `name: d\n${suggested.stdout}` });
    expect(unfilled.stdout + unfilled.stderr).toContain('PORT is not a port from 1 to 65535');
    expect(suggested.stdout).toContain(`      - {"host":"db","port":${allowed.port},"address":"${address}"}\n`);
    expect(suggested.stdout).toMatch(/- "example\.com:PORT" # refused \d+ times?\n/);
    expect(suggested.stdout).toContain(`      - "elsewhere.example:${other.port}" # refused 1 time\n`);
    expect(suggested.stdout).toContain(`      # tls:${other.port}: no name in TLS, 2 times`);
    const json = await project.run(['egress', 'suggest', 'a', '--json']);
    expect(schemaProblems('egress-suggest', JSON.parse(json.stdout))).toEqual([]);
    expect((await project.run(['egress', 'suggest', 'c'])).stderr).toContain('c lists nothing yet');
    const neighbour = JSON.parse((await project.run(['mcp', 'info', 'c', '--json'])).stdout) as { refused: unknown };
    expect(neighbour.refused).toEqual([]);
  });

  test('lends its way out to no neighbour', async () => {
    const [a, ownOfA] = [
      await placeOf(project.container('a'), 'db'),
      (await project.container('a').inspect()).NetworkSettings.Networks[`looms-${project.name}`]?.IPAddress ?? '',
    ];
    const p = String(allowed.port);
    const names = (await project.container('a').inspect()).HostConfig.Dns?.[0] ?? '';
    for (const server of ['b', 'c']) {
      const attempts = [
        ['tcp', 'db', p],
        ['tcp', a, p],
        ['tcp', a, p, `by=${ownOfA}`],
        ['tcp', a, p, 'dontroute=1'],
        ['tcp', a, p, 'device=eth0'],
        ['udp', names, '53', 'ask=db'],
        ['dns', names, 'db'],
      ];
      const results = await mapBounded(attempts, 8, (attempt) => from(server, ...attempt));
      expect(results.filter((result) => !result.startsWith('closed: '))).toEqual([]);
    }
    const { HostConfig } = await project.container('a').inspect();
    expect(HostConfig.Sysctls).toEqual({ 'net.ipv4.ip_forward': '0' });
  });

  test('is held to the name in TLS, and passes with the right one', async () => {
    expect(await from('a', 'tcp', 'tls', String(other.port), `hex=${hello('tls')}`)).toMatch(/^open: /);
  });

  test('reaches it again after a restart of the server, of the forwarder, and of both in any order', async () => {
    const both = [project.container('a'), forwarder('a')] as const;
    for (const order of [[both[0]], [both[1]], both, both.toReversed()]) {
      for (const one of order) await one.restart({ t: 0 });
      await eventually(async () => expect(await reaches()).toBe('open: you said 4'));
    }
    for (const order of [both, both.toReversed()]) {
      for (const one of order) await one.stop({ t: 0 });
      for (const one of order) await one.start();
      await eventually(async () => expect(await reaches()).toBe('open: you said 4'));
    }
    const { plan } = await project.diff(yaml());
    expect(plan.steps).toEqual([]);
  });

  test('is without a way out while its forwarder is down, and gets it back from an apply', async () => {
    await forwarder('a').remove({ force: true });
    expect(await reaches()).toMatch(/^closed: /);
    expect(await from('a', 'tcp', address, String(allowed.port))).toMatch(/^closed: /);
    const posture = await project.run(['posture', 'a']);
    expect(posture.stdout).toMatch(/egress +BROKEN .*no forwarder has this list/);
    expect(posture.code).toBe(4);
    const { plan } = await project.diff(yaml());
    expect(plan.support).toMatchObject([{ kind: 'forwarder', action: 'create' }]);
    expect(changesAsText(plan)).toEqual([]);
    expect(await project.apply(yaml())).toExit(0);
    expect(await reaches()).toBe('open: you said 4');
  });

  test('follows a host to another address, and says what was changed by hand', async () => {
    const network = await docker.createNetwork({ Name: testNetwork, Labels: { 'looms.test': label } });
    networks.push(network);
    const target = async (says: string) => {
      const container = await docker.createContainer({
        Image: 'node:24-slim',
        Cmd: ['node', '-e', `require('net').createServer((s) => s.once('data', () => s.end('${says}'))).listen(7001)`],
        Labels: { 'looms.test': label },
        HostConfig: { NetworkMode: testNetwork },
        NetworkingConfig: { EndpointsConfig: { [testNetwork]: { Aliases: ['moving'] } } },
      });
      containers.unshift(container);
      return container;
    };
    // Its name service is the engine's, which knows the names of the networks that it is on.
    await network.connect({ Container: forwarder('a').id });
    const first = await target('one');
    await first.start();
    await eventually(async () => expect(await from('a', 'tcp', 'moving', '7001')).toBe('open: one'));
    const second = await target('two');
    // It takes the next address while the first one still has its own.
    await second.start();
    await first.stop({ t: 0 });
    await eventually(async () => expect(await from('a', 'tcp', 'moving', '7001')).toBe('open: two'), 10_000);
    const { plan } = await project.diff(yaml());
    expect(plan.support).toMatchObject([
      { kind: 'forwarder', action: 'replace', reasons: [{ kind: 'live-drift', fields: [{ to: 'none' }] }] },
    ]);
    expect(await project.apply(yaml())).toExit(0);
  });

  test('reaches a host below a wildcard, by the name that the connection begins with', async () => {
    const network = await docker.createNetwork({ Name: `${testNetwork}-wild`, Labels: { 'looms.test': label } });
    networks.push(network);
    await network.connect({ Container: forwarder('a').id });
    const says = `require('net').createServer((s) => s.once('data', () => s.end('below'))).listen(443)`;
    const container = await docker.createContainer({
      Image: 'node:24-slim',
      Cmd: ['node', '-e', says],
      Labels: { 'looms.test': label },
      HostConfig: { NetworkMode: `${testNetwork}-wild` },
      NetworkingConfig: { EndpointsConfig: { [`${testNetwork}-wild`]: { Aliases: ['x.wild.example'] } } },
    });
    containers.unshift(container);
    await container.start();
    const to = (host: string, named: string) => from('a', 'tcp', host, '443', `hex=${hello(named)}`);
    await eventually(async () => expect(await to('x.wild.example', 'x.wild.example')).toBe('open: below'));
    expect(await to('x.wild.example', 'X.Wild.Example')).toBe('open: below');
    // All names below a wildcard have one place: the name in TLS decides.
    expect(await to('y.wild.example', 'x.wild.example')).toBe('open: below');
    expect(await to('x.wild.example', 'y.wild.example')).toMatch(/^closed: /);
    expect(await to('x.wild.example', 'wild.example')).toMatch(/^closed: /);
    expect(await project.apply(yaml())).toExit(0);
  });

  test('is led by no name to the networks of its forwarder: its neighbours there, and the gateway, which is the host', async () => {
    const out = `looms-${project.name}.out`;
    const leadsTo = async (name: string, to: string): Promise<void> => {
      const { stdout } = await project.run(['mcp', 'info', 'a', '--json']);
      const { refused } = JSON.parse(stdout) as { refused: { what: string }[] };
      expect(refused.map(({ what }) => what)).toContain(`${name}: it leads to ${to}`);
    };
    const beside = await docker.createContainer({
      Image: 'node:24-slim',
      Cmd: ['sleep', '600'],
      Labels: { 'looms.test': label },
      HostConfig: { NetworkMode: out },
      NetworkingConfig: { EndpointsConfig: { [out]: { Aliases: ['moving'] } } },
    });
    containers.unshift(beside);
    await beside.start();
    const at = (await beside.inspect()).NetworkSettings.Networks[out]?.IPAddress ?? '';
    await eventually(async () => {
      expect(await from('a', 'tcp', 'moving', '7001')).toMatch(/^closed: /);
      await leadsTo('moving:7001', at);
    });

    // A name service that answers every name with the gateway, at which the listener of this test is reached.
    const gateway = await gatewayOf(docker, out);
    const service = createSocket('udp4');
    service.on('message', (asked, { port, address: to }) => {
      const end = asked.indexOf(0, 12) + 5;
      const head = Buffer.from([...asked.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
      const found = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...gateway.split('.').map(Number)]);
      service.send(Buffer.concat([head, asked.subarray(12, end), found]), port, to);
    });
    // It answers from the address that it is asked at.
    service.bind(0, address);
    await once(service, 'listening');
    try {
      const inner = `looms-${project.name}-a.egress`;
      const { Config, HostConfig, Name, NetworkSettings } = await forwarder('a').inspect();
      await forwarder('a').remove({ force: true });
      const { Entrypoint, Cmd } = Config;
      const led = JSON.stringify({ Entrypoint, Cmd }).replace('127.0.0.11:53', `${address}:${service.address().port}`);
      const { IPAMConfig } = NetworkSettings.Networks[inner] ?? {};
      const anew = await docker.createContainer({
        ...Config,
        ...JSON.parse(led),
        Hostname: '',
        name: Name.slice(1),
        HostConfig: { ...HostConfig, NetworkMode: inner },
        NetworkingConfig: { EndpointsConfig: { [inner]: { IPAMConfig } } },
      } as Docker.ContainerCreateOptions);
      await docker.getNetwork(out).connect({ Container: anew.id });
      await anew.start();
      await eventually(async () => expect(await reaches()).toBe('open: you said 4'));
      const before = other.heard.length;
      await eventually(async () => {
        expect(await from('a', 'tcp', 'gate', String(other.port))).toMatch(/^closed: /);
        await leadsTo(`gate:${other.port}`, gateway);
      });
      expect(other.heard.length).toBe(before);
      const { plan } = await project.diff(yaml());
      expect(plan.support).toMatchObject([{ kind: 'forwarder', action: 'replace' }]);
    } finally {
      service.close();
    }
    containers.shift();
    await beside.remove({ force: true });
    expect(await project.apply(yaml())).toExit(0);
  });

  test('takes a changed list without losing the way meanwhile, and leaves nothing of the old one', async () => {
    const longer = specs(
      spec('a', [...listOfA(), { host: 'more', address, port: other.port }]),
      spec('b', [{ host: 'theirs', address, port: other.port }]),
      spec('c', []),
    );
    expect(await project.apply(longer)).toExit(0);
    expect(await reaches()).toBe('open: you said 4');
    expect(await from('a', 'tcp', 'more', String(other.port))).toBe('open: you said 4');
    expect((await project.names()).filter((name) => name.includes('egress'))).toEqual(['a.egress-2', 'b.egress-1']);
    const shorter = specs(spec('a', [{ host: 'more', address, port: other.port }]), spec('c', []));
    const pruned = await project.apply(shorter, ['--prune']);
    expect(pruned).toExit(0);
    expect(await reaches()).toMatch(/^closed: /);
    expect(await project.names()).toEqual(['a', 'a.egress-1', 'c']);
    expect(await project.networksLeftBy(pruned)).toEqual(
      ['', '-a.egress', '.out'].map((name) => `looms-${project.name}${name}`).sort(),
    );
  });

  test('takes its forwarder and its networks with it', async () => {
    const deleted = await project.run(['delete', 'a', 'c', '--yes']);
    expect(deleted).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
  });
});
