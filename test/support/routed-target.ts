import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';

/** A host in a local network of the engine's machine, with an address of its own: it answers on 1025 and 5432. */
export type RoutedTarget = {
  /** Another one for each run, in a /24 of which the machine has the first address. */
  readonly address: string;
  /** Its neighbour, which is there as well and which nothing lists. */
  readonly neighbour: string;
  /** What came there by TCP or UDP. */
  readonly heard: () => string;
  readonly close: () => void;
};

const program = `for (const port of [1025, 5432]) require('net').createServer((socket) => {
  socket.on('error', () => undefined).on('data', (said) => { console.log('heard', port, String(said)); socket.write('you said ' + said.length); });
}).listen(port, '0.0.0.0', () => console.log('listens', port));
require('dgram').createSocket('udp4').on('message', (said) => console.log('heard by UDP', String(said))).bind(1025);`;

/** Whether this process may lay a link on the engine's side of the network; says so once where not. */
export function withoutRoutes(): boolean {
  const left = process.getuid?.() !== 0 || !existsSync('/usr/sbin/ip');
  if (left) console.log('skipped: a target in a network of its own takes root, and `ip`');
  return left;
}

/**
 * Makes a network namespace with a process that answers, and a link between it and the engine's machine. `enter`: begins a
 * command that shall run there, where that is not this machine. `again`: the address of one that is closed.
 */
export async function routedTarget(enter: readonly string[] = [], again?: string): Promise<RoutedTarget> {
  const id = randomBytes(3);
  const block = again?.replace(/\.\d+$/, '') ?? `10.${214 + (id.readUInt8(0) % 40)}.${id.readUInt8(1)}`;
  const [address, neighbour, machine] = [`${block}.7`, `${block}.9`, `${block}.1`];
  const device = `lt${id.toString('hex')}`;
  const command = (...args: readonly string[]): readonly [string, readonly string[]] => {
    const [first = '', ...rest] = [...enter, ...args];
    return [first, rest];
  };
  // Each program on the way replaces itself by the next one, so that this is the process that answers.
  const [unshare, args] = command('unshare', '--net', process.execPath, '-e', program);
  const host = spawn(unshare, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  host.stdout.on('data', (said: Buffer) => (heard += said.toString()));
  await eventually(async () => {
    if (!heard.includes('listens 5432')) throw new Error('the target does not listen yet');
  });
  const ip = async (text: string): Promise<void> => {
    await promisify(execFile)(...command('ip', ...text.split(' ')));
  };
  const inside = async (text: string): Promise<void> => {
    await promisify(execFile)('nsenter', ['-t', String(host.pid), '-n', 'ip', ...text.split(' ')]);
  };
  await ip(`link add ${device} type veth peer name ${device}p netns ${host.pid}`);
  await ip(`address add ${machine}/24 dev ${device}`);
  await ip(`link set ${device} up`);
  await inside(`link set ${device}p up`);
  for (const one of [address, neighbour]) await inside(`address add ${one}/24 dev ${device}p`);
  // The namespace ends with its process, and the link with its end in it.
  return { address, neighbour, heard: () => heard, close: () => void host.kill('SIGKILL') };
}
