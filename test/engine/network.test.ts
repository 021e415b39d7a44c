import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { label, networkName } from '../../src/docker/model/labels.ts';
import type { NetworkShape } from '../../src/docker/model/observed.ts';
import type { ContainerId } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { onPodman, skipOnPodman } from '../support/podman.ts';

describe.skipIf(withoutEngine())('networks on a real engine', () => {
  let bench: EngineBench;
  let listener: Server;
  let port = 0;
  beforeAll(async () => {
    bench = await engineBench('network');
    listener = createServer((socket) => socket.end('reached the host\n'));
    await new Promise<void>((resolve) => listener.listen(0, '0.0.0.0', resolve));
    const address = listener.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });
  afterAll(async () => {
    listener?.close();
    await bench?.close();
  });

  const isolated = (name = networkName(bench.project, 'isolated')): NetworkShape => ({
    name,
    internal: true,
    driver: 'bridge',
    ipv6: false,
    options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' },
  });
  const onNetwork = (server: string, name = networkName(bench.project, 'isolated')): Promise<ContainerId> =>
    bench.run(server, {
      networks: [{ name, aliases: [server] }],
      dns: ['127.0.0.1'],
      dnsOptions: ['attempts:1', 'timeout:1'],
    });
  /** A container on the isolated network that runs a script. */
  async function runNode(server: string, script: string): Promise<void> {
    const node = await bench.engine.findImage('node:24-slim');
    if (node === null) throw new Error('the engine has no node:24-slim: run npm run quickstart once');
    await bench.run(server, {
      imageId: node.id,
      entrypoint: ['node', '-e', script],
      command: [],
      memoryBytes: 256 * 1024 * 1024,
      memorySwapBytes: 256 * 1024 * 1024,
      networks: [{ name: networkName(bench.project, 'isolated'), aliases: [server] }],
    });
  }
  /** Tries to connect from inside, and says how it went. */
  const connect = (id: ContainerId, host: string, at: number) =>
    bench.exec(id, ['timeout', '3', 'bash', '-c', `exec 3<>/dev/tcp/${host}/${at} && cat <&3`]);

  test('of one name asked for many times at once, one network stays', async () => {
    const name = networkName(bench.project, 'bridge');
    const shape: NetworkShape = { name, internal: false, driver: 'bridge', options: {} };
    await Promise.all(Array.from({ length: 6 }, () => bench.engine.createNetwork(shape, bench.labels)));
    const left = await bench.docker.listNetworks({ filters: { name: [name] } });
    expect(left).toHaveLength(1);
    const again = await bench.engine.createNetwork(shape, bench.labels);
    expect(again).toBe(left[0]?.Id);
    await bench.engine.removeNetwork(again);
    await bench.engine.removeNetwork(again);
  });

  test('a network that someone else made under our name is refused and left alone', async () => {
    const name = `${bench.project}-theirs`;
    const theirs = await bench.docker.createNetwork({
      Name: name,
      Labels: { ...bench.labels, [label.project]: 'else' },
    });
    try {
      await expect(bench.engine.createNetwork(isolated(name), bench.labels)).rejects.toMatchObject({
        code: 'engine-conflict',
      });
      expect(await theirs.inspect()).toMatchObject({ Name: name });
    } finally {
      await theirs.remove();
    }
  });

  test('a subnet that another network took in the meantime is told with what helps', async (context) => {
    await skipOnPodman(context, 'no server has a subnet of its own there');
    const subnet = '198.51.100.0/25';
    const theirs = `${bench.project}-meantime`;
    const id = await bench.engine.createNetwork({ ...isolated(theirs), subnet }, bench.labels);
    try {
      await expect(
        bench.engine.createNetwork({ ...isolated(`${bench.project}-late`), subnet }, bench.labels),
      ).rejects.toMatchObject({
        code: 'engine-conflict',
        message: expect.stringContaining(`network ${theirs} has addresses of ${subnet}`),
        hint: expect.stringContaining('run the same command again'),
      });
    } finally {
      await bench.engine.removeNetwork(id);
    }
  });

  test('a network with a container on it is not removed', async () => {
    const id = await bench.engine.createNetwork(isolated(`${bench.project}-used`), bench.labels);
    const container = await onNetwork('occupant', `${bench.project}-used`);
    await expect(bench.engine.removeNetwork(id)).rejects.toMatchObject({ code: 'engine-conflict' });
    await bench.engine.removeContainer(container);
    await bench.engine.removeNetwork(id);
  });

  describe('an isolated container', () => {
    let inside: ContainerId;
    beforeAll(async () => {
      await bench.engine.createNetwork(isolated(), bench.labels);
      inside = await onNetwork('inside');
    });

    test('reaches no address of the host', async (context) => {
      await skipOnPodman(context, 'its name server lives on the gateway, which is the host');
      const network = await bench.docker.getNetwork(networkName(bench.project, 'isolated')).inspect();
      const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
      const addresses = new Set([
        ...own
          .filter(({ family, address }) => family === 'IPv4' && address !== '127.0.0.1')
          .map(({ address }) => address),
        ...(network.IPAM?.Config ?? []).flatMap((config) => [
          config.Gateway ?? '',
          // Where no gateway is reported, the engine would have taken the first address.
          (config.Subnet ?? '').replace(/\.0\/\d+$/, '.1'),
        ]),
      ]);
      addresses.delete('');
      expect(addresses.size).toBeGreaterThan(1);
      for (const address of addresses) {
        const { code, stdout } = await connect(inside, address, port);
        expect([address, code === 0, stdout]).toEqual([address, false, '']);
      }
    });

    test('can send the host datagrams by a group that all are in, and no option of an engine closes that', async () => {
      // docs/security.md says so; where an engine closes it, that and `looms doctor` are to be changed.
      const heard: string[] = [];
      const service = createSocket({ type: 'udp4', reuseAddr: true });
      service.on('message', (message) => heard.push(message.toString()));
      await new Promise<void>((resolve) => service.bind(0, '0.0.0.0', resolve));
      const send = `
        const own = Object.values(require('os').networkInterfaces()).flat().find((one) => one.family === 'IPv4' && !one.internal);
        const socket = require('dgram').createSocket('udp4');
        socket.bind(() => {
          socket.setMulticastInterface(own.address);
          setInterval(() => socket.send('one way', ${service.address().port}, '224.0.0.1'), 100);
        });`;
      try {
        await runNode('sender', send);
        await expect.poll(() => heard, { timeout: 15_000 }).toContain('one way');
      } finally {
        service.close();
      }
    });

    test('reaches the host by IPv6 where its network has it, so that it must not', async (context) => {
      await skipOnPodman(context, 'it cannot hide its host in any case');
      const service = createServer((socket) => socket.end('reached the host\n'));
      await new Promise<void>((resolve) => service.listen(0, '::', resolve));
      const address = service.address();
      const name = `${bench.project}-six`;
      const prefix = `fd00:${bench.project.slice(-4)}`;
      const byHand = { Name: name, Internal: true, Options: isolated().options, Labels: bench.labels };
      const IPAM = { Driver: 'default', Config: [{ Subnet: `${prefix}::/64` }] };
      try {
        await bench.docker.createNetwork({ ...byHand, EnableIPv6: true, IPAM });
        const six = await onNetwork('six', name);
        const at = typeof address === 'object' && address !== null ? address.port : 0;
        expect((await connect(six, `${prefix}::1`, at)).stdout).toBe('reached the host\n');
        const { networks } = await bench.engine.observe({ project: bench.project, images: [], checkRegistry: [] });
        const found = new Map(networks.map((one) => [one.name, one.ipv6]));
        expect([found.get(name), found.get(isolated().name)]).toEqual([true, false]);
      } finally {
        service.close();
      }
    });

    test('that has the default bridge instead does reach it, so the listener is a fair one', async () => {
      const open = await bench.run('open', {
        networks: [{ name: (await onPodman()) ? 'podman' : 'bridge', aliases: [] }],
      });
      const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
      const bridge = own.find(({ family, address }) => family === 'IPv4' && address !== '127.0.0.1');
      const { stdout } = await connect(open, bridge?.address ?? '', port);
      expect(stdout).toBe('reached the host\n');
    });

    test('reaches another server of the project by its name', async () => {
      const script = 'const s=require("net").createServer(c=>c.end("from the neighbour"));s.listen(3000)';
      await runNode('neighbour', script);
      await expect
        .poll(async () => (await connect(inside, 'neighbour', 3000)).stdout, { timeout: 10_000 })
        .toBe('from the neighbour');
    });

    test('learns that an outside name cannot be reached before a resolver would have asked a second time, after 5 s', async () => {
      const before = performance.now();
      const { code } = await bench.exec(inside, ['getent', 'ahosts', 'pypi.org']);
      const took = performance.now() - before;
      console.log(`an outside name failed after ${Math.round(took)} ms`);
      expect(code).not.toBe(0);
      expect(took).toBeLessThan(5_000);
    });
  });
});
