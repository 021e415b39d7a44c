import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mapBounded } from '../../../src/model/values/map-bounded.ts';
import { attack } from '../../support/attacker.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { outsideAddress } from '../../support/outside.ts';
import { type RoutedTarget, routedTarget, withoutRoutes } from '../../support/routed-target.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine() || withoutRoutes())('a server with an address on its list', () => {
  const project = testProject('address');
  const { docker } = project;
  let target: RoutedTarget;

  const spec = (name: string, egress: readonly unknown[]): string =>
    changed(tinySpec({ name }), { backend: egress.length === 0 ? {} : { network: { egress } } });
  const yaml = (...more: readonly unknown[]): string => specs(spec('a', [...listed(), ...more]), spec('b', []));
  const listed = () => [`${target.address}:1025`, { host: 'named', port: 5432, address: target.address }];
  const from = (server: string, ...attempt: readonly string[]) => attack(project.container(server), ...attempt);
  const reaches = (port = 1025) => from('a', 'tcp', target.address, String(port));
  const standIn = () => docker.getContainer(`looms-${project.name}-a.egress-${target.address}`);
  const block = () => target.address.replace(/\d+$/, '0');

  beforeAll(async () => {
    target = await routedTarget();
    const applied = await project.apply(yaml());
    expect(applied, applied.stderr).toExit(0);
  });
  afterAll(async () => {
    await project.remove();
    target?.close();
  });

  test('reaches it by the address, on the listed port, and is in sync', async () => {
    expect(await reaches()).toBe('open: you said 4');
    expect(await from('a', 'tcp', 'named', '5432')).toBe('open: you said 4');
    const { plan } = await project.diff(yaml());
    expect(changesAsText(plan)).toEqual([]);
    expect(plan.support).toEqual([]);
    const info = await project.run(['mcp', 'info', 'a']);
    expect(info.stdout).toContain(`a way out to ${target.address}:1025, named:5432`);
    const written = await project.run(['get', 'a', '-o', 'yaml']);
    expect(written.stdout).toContain(`${target.address}:1025`);
    const posture = await project.run(['posture', 'a']);
    expect(posture.stdout).toMatch(/egress +kept /);
  });

  test('reaches nothing else by it, whatever it tries, and neither does its neighbour', async () => {
    const networks = (await project.container('a').inspect()).NetworkSettings.Networks;
    const around = networks[`looms-${project.name}-a.${block()}.egress`];
    const own = (await standIn().inspect()).NetworkSettings.Networks[`looms-${project.name}-a.egress`]?.IPAddress ?? '';
    const devices = (await from('a', 'run', 'ls /sys/class/net')).replace('open: ', '').split(/\s+/);
    const { address, neighbour } = target;
    const before = target.heard();
    const attempts: Record<string, readonly string[]> = {
      'another port of the address': ['tcp', address, '5432'],
      'a port of the stand-in': ['tcp', address, '53'],
      'another address of the subnet, which is there': ['tcp', neighbour, '1025'],
      'the machine’s own address there': ['tcp', `${block().replace(/0$/, '1')}`, '1025'],
      'the gateway of the network': ['tcp', around?.Gateway ?? '', '1025'],
      'the last address of the subnet': ['udp', block().replace(/0$/, '255'), '1025', 'broadcast=1'],
      'UDP to the address': ['udp', address, '1025'],
      'UDP to the neighbour': ['udp', neighbour, '1025'],
      'an echo request': ['ping', address],
      'an echo request to the neighbour': ['ping', neighbour],
      'the listed port at the stand-in’s other address': ['tcp', own, '1025'],
      'an address in IPv6': ['tcp6', `::ffff:${neighbour}`, '1025'],
      'the metadata address': ['tcp', '169.254.169.254', '80'],
      'an address outside': ['tcp', '1.1.1.1', '443'],
      'the engine’s machine': ['tcp', outsideAddress ?? '172.17.0.1', '22'],
      'a source route to the neighbour by the stand-in': ['tcp', neighbour, '1025', `by=${address}`],
      'a source route to the neighbour by the gateway': ['tcp', neighbour, '1025', `by=${around?.Gateway}`],
      'a source route to another port by the stand-in': ['tcp', address, '5432', `by=${own}`],
      'an address that is not its own': ['tcp', neighbour, '1025', `own=${own}`],
      'a mark on its packets': ['tcp', neighbour, '1025', 'mark=1'],
      'UDP past the routes': ['udp', neighbour, '1025', 'dontroute=1'],
      'a route by the stand-in': ['netlink', address],
      'a name that is not listed': ['name', 'example.com'],
      'a tunnel by the engine’s name service': ['dns', '127.0.0.11', 'c2VjcmV0.tunnel.example.com'],
      ...Object.fromEntries(
        devices.flatMap((device) => [
          [`another port, bound to ${device}`, ['tcp', address, '5432', `device=${device}`]],
          [`the neighbour, bound to ${device}`, ['tcp', neighbour, '1025', `device=${device}`]],
          [`UDP, bound to ${device}`, ['udp', address, '1025', `device=${device}`, 'dontroute=1']],
        ]),
      ),
    };
    const ofB: Record<string, readonly string[]> = {
      'its address from a neighbour': ['tcp', address, '1025'],
      'its stand-in from a neighbour': ['tcp', own, '1025'],
      'a source route by a': ['tcp', address, '1025', 'by=a'],
      'past the routes': ['tcp', address, '1025', 'dontroute=1'],
    };
    const all = [
      ...Object.entries(attempts).map(([what, attempt]) => ['a', what, attempt] as const),
      ...Object.entries(ofB).map(([what, attempt]) => ['b', `${what}, by b`, attempt] as const),
    ];
    const results = Object.fromEntries(
      await mapBounded(all, 8, async ([server, what, attempt]) => [what, await from(server, ...attempt)]),
    ) as Readonly<Record<string, string>>;
    console.table(results);
    expect(Object.entries(results).filter(([, result]) => !result.startsWith('closed: '))).toEqual([]);
    expect(target.heard()).toBe(before);
    expect(Object.keys(results).length).toBeGreaterThan(30);
  });

  test('reaches it again after restarts of the server, its forwarder and its stand-in in any order', async () => {
    const all = [project.container('a'), docker.getContainer(`looms-${project.name}-a.egress-1`), standIn()] as const;
    const [server, forwarder, holder] = all;
    for (const order of [[server], [forwarder], [holder], [holder, server, forwarder], [server, forwarder, holder]]) {
      for (const one of order) await one.stop({ t: 0 });
      for (const one of order) await one.start();
      await eventually(async () => expect(await reaches()).toBe('open: you said 4'));
    }
    const { plan } = await project.diff(yaml());
    expect(plan.steps).toEqual([]);
  });

  test('is without it while its stand-in is gone, which posture says, and gets it back from an apply', async () => {
    await standIn().stop({ t: 0 });
    expect(await reaches()).toMatch(/^closed: /);
    const posture = await project.run(['posture', 'a']);
    expect(posture.stdout).toMatch(new RegExp(`egress +BROKEN .*stopped: .*a.egress-${target.address}`));
    expect(posture).toExit(4);
    await standIn().remove({ force: true });
    expect(await reaches()).toMatch(/^closed: /);
    const { plan } = await project.diff(yaml());
    expect(plan.support).toMatchObject([{ kind: 'forwarder', action: 'create' }]);
    expect(changesAsText(plan)).toEqual([]);
    expect(await project.apply(yaml())).toExit(0);
    expect(await reaches()).toBe('open: you said 4');
  });

  test('says what was changed by hand on its stand-in, and mends it', async () => {
    await docker.getNetwork('bridge').connect({ Container: standIn().id });
    const { plan } = await project.diff(yaml());
    expect(plan.support).toMatchObject([{ kind: 'forwarder', action: 'replace', reasons: [{ kind: 'live-drift' }] }]);
    expect(await project.apply(yaml())).toExit(0);
    expect(Object.keys((await standIn().inspect()).NetworkSettings.Networks).sort()).toEqual([
      `looms-${project.name}-a.${block()}.egress`,
      `looms-${project.name}-a.egress`,
    ]);
    expect(await reaches()).toBe('open: you said 4');
  });

  /** A connection that stays open in the server's container; its end is told, unless the container ends first. */
  const held = async (host: string, port: string) => {
    const program = `const socket = require('net').connect(process.argv[2], process.argv[1], () => socket.write('ping'));
      socket.on('error', () => undefined).on('data', () => console.log('open')).on('close', () => console.log('closed'));`;
    const { id } = project.container('a');
    const connection = spawn('docker', ['exec', id, 'node', '-e', program, host, port]);
    const over = once(connection, 'close');
    let said = '';
    connection.stdout.on('data', (text: Buffer) => (said += text.toString()));
    await eventually(async () => expect(said).toContain('open'));
    return async () => {
      await over;
      return said;
    };
  };

  test('takes a changed list: another port of the address, and an address beside it', async () => {
    const more = [`${target.address}:5432`, `${target.neighbour}:1025`];
    // What is connected to the address loses it when its stand-in is replaced; what goes by a name keeps its forwarder.
    const [byAddress, byName] = [await held(target.address, '1025'), await held('named', '5432')];
    const applied = await project.apply(yaml(...more));
    console.log(applied.stdout, applied.stderr);
    expect(applied).toExit(0);
    expect([await byAddress(), await byName()]).toEqual(['open\nclosed\n', 'open\n']);
    expect(await reaches()).toBe('open: you said 4');
    expect(await reaches(5432)).toBe('open: you said 4');
    expect(await from('a', 'tcp', target.neighbour, '1025')).toBe('open: you said 4');
    expect((await project.diff(yaml(...more))).plan.steps).toEqual([]);
    expect(await project.apply(yaml())).toExit(0);
    expect(await reaches(5432)).toMatch(/^closed: /);
    expect(await from('a', 'tcp', target.neighbour, '1025')).toMatch(/^closed: /);
    expect((await project.diff(yaml())).plan.steps).toEqual([]);
  }, 300_000);

  test('has the new list before its server, which is said where that fails its gate, and the old one with the next apply', async () => {
    const broken = specs(
      changed(tinySpec({ name: 'a' }), {
        backend: { network: { egress: [`${target.address}:5432`] } },
        mcp: { command: 'no-such-command' },
      }),
      spec('b', []),
    );
    const failed = await project.apply(broken);
    expect(failed).toExit(4);
    const standInName = `looms-${project.name}-a.egress-${target.address}`;
    expect(failed.stdout).toContain(`until the next apply ${standInName} has the new list`);
    expect(await reaches()).toMatch(/^closed: /);
    const posture = await project.run(['posture', 'a']);
    expect(posture.stdout).toMatch(/egress +BROKEN /);
    expect(await project.apply(yaml())).toExit(0);
    expect(await reaches()).toBe('open: you said 4');
    expect(await reaches(5432)).toMatch(/^closed: /);
    expect((await project.diff(yaml())).plan.steps).toEqual([]);
  });

  test('leads one server of the engine there, and another one is told what to write', async () => {
    const other = testProject('address-other');
    try {
      const { code, plan } = await other.diff(specs(spec('c', [`${target.neighbour}:1025`])));
      expect(code).not.toBe(0);
      expect(plan.changes).toMatchObject([{ server: 'c', action: 'blocked' }]);
      const { stdout } = await other.run(['diff', '-f', '-'], {
        stdin: specs(spec('c', [`${target.neighbour}:1025`])),
      });
      console.log(stdout);
      expect(stdout).toContain(`write { host: NAME, address: ${target.neighbour}, port: … }`);
    } finally {
      await other.remove();
    }
  });

  test('takes all of it with it', async () => {
    const deleted = await project.run(['delete', 'a', 'b', '--yes']);
    expect(deleted).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
  });
});
