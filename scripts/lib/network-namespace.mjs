import { writeFileSync } from 'node:fs';
import { run, tryRun } from './run.mjs';

/** Prefix of the small network between this machine and a namespace; the third byte is the namespace's own. */
const network = '10.213';
const bytesPerPacket = 1400; // the way out of some machines is narrower than Ethernet

/**
 * Makes a network namespace of its own with a way out through this machine. What an earlier run
 * left behind under the same name is replaced.
 *
 * @param {string} name
 * @param {number} index 0 to 255, another one for each name: it decides the addresses
 * @returns {Promise<{ enter: string[], mtu: number, close(): Promise<void> }>} `enter`: begin a command with it to run it inside
 */
export async function openNetworkNamespace(name, index) {
  const device = `looms-veth${index}`;
  const [here, there] = [1, 2].map((last) => `${network}.${index}.${last}`);
  const rules = [
    ['nat', 'POSTROUTING', '-s', `${network}.${index}.0/30`, '!', '-o', device, '-j', 'MASQUERADE'],
    ['filter', 'FORWARD', '-i', device, '-j', 'ACCEPT'],
    ['filter', 'FORWARD', '-o', device, '-j', 'ACCEPT'],
  ];
  const close = async () => {
    for (const [table, ...rule] of rules) await tryRun('iptables', ['-w', '-t', table, '-D', ...rule]);
    await tryRun('ip', ['link', 'delete', device]);
    await tryRun('ip', ['netns', 'delete', name]);
  };
  await close();

  const inside = ['-n', name];
  await run('ip', ['netns', 'add', name]);
  await run('ip', [
    'link',
    'add',
    device,
    'mtu',
    `${bytesPerPacket}`,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    name,
  ]);
  await run('ip', ['address', 'add', `${here}/30`, 'dev', device]);
  await run('ip', ['link', 'set', device, 'up']);
  await run('ip', [...inside, 'address', 'add', `${there}/30`, 'dev', 'eth0']);
  await run('ip', [...inside, 'link', 'set', 'eth0', 'mtu', `${bytesPerPacket}`, 'up']);
  await run('ip', [...inside, 'link', 'set', 'lo', 'up']);
  await run('ip', [...inside, 'route', 'add', 'default', 'via', here]);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  for (const [table, ...rule] of rules) await run('iptables', ['-w', '-t', table, '-I', ...rule]);
  return { enter: ['nsenter', `--net=/run/netns/${name}`], mtu: bytesPerPacket, close };
}
