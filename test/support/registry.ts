import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const runFile = promisify(execFile);
const startsWithinMs = 20_000;
const mostTries = 5;

export interface RegistryCredentials {
  readonly user: string;
  readonly password: string;
}

export interface TestRegistry {
  /** `127.0.0.1:port`: engines accept plain HTTP from there. Begin an image's name with it. */
  readonly host: string;
  /** Ends the server and forgets its images. Safe to call twice. */
  stop(): Promise<void>;
}

/** The network that the node of a cluster for tests is in (npm run test:kube): it has no way to this machine. */
export interface NodeNetwork {
  /** Its file, as `nsenter --net` takes it. */
  readonly file: string;
  /** The program of scripts/kube, whose `fwd` carries connections from here to there. */
  readonly program: string;
}

export interface RegistryOptions {
  readonly credentials?: RegistryCredentials;
  /** Listens there, and here too: under the same address, which for both is their own loopback. */
  readonly node?: NodeNetwork;
}

/**
 * Starts an empty image registry (Debian's `docker-registry`, fetched on first use) on a free loopback port. With
 * `credentials` it answers 401 to everyone else. Rejects with the server's last lines when it does not come up.
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryRegistry(options);
    } catch (error) {
      // A port that was free when it was looked for can be another program's when the server listens.
      if (tries === mostTries || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function tryRegistry({ credentials, node }: RegistryOptions): Promise<TestRegistry> {
  const program = await registryProgram();
  const dir = await mkdtemp(join(tmpdir(), 'looms-registry-'));
  const host = `127.0.0.1:${await registryPort()}`;
  const config = join(dir, 'config.yml');
  await writeFile(config, await configuration(dir, host, credentials));

  const enter = node === undefined ? [] : ['nsenter', `--net=${node.file}`, '--'];
  const [command = program, ...args] = [...enter, program, 'serve', config];
  const server = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(server, 'exit');
  const forwarder = node && forward(node, host);
  const stop = async () => {
    server.kill('SIGKILL'); // nothing of it is kept
    await Promise.all([ended, forwarder?.stop()]);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await listening(server.stderr);
    await forwarder?.reaches();
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, stop };
}

/** Carries connections to `host` into the network of a node, to the same address there. */
function forward({ file, program }: NodeNetwork, host: string) {
  const child = spawn(program, ['fwd', host, file, host], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  return {
    stop: async () => {
      child.kill('SIGTERM'); // it ends what it started there
      await ended;
    },
    reaches: () => eventually(async () => void (await fetch(`http://${host}/v2/`)), startsWithinMs),
  };
}

async function registryProgram(): Promise<string> {
  const script = resolve(import.meta.dirname, '../../scripts/registry-program.mjs');
  const { stdout } = await runFile(process.execPath, [script]);
  return stdout.trim();
}

async function configuration(dir: string, host: string, credentials?: RegistryCredentials): Promise<string> {
  const config: Record<string, unknown> = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'storage') }, delete: { enabled: true } },
    http: { addr: host },
  };
  if (credentials) {
    const path = join(dir, 'htpasswd');
    await writeFile(path, `${credentials.user}:${await bcrypt(credentials.password)}\n`);
    config.auth = { htpasswd: { realm: 'looms-test', path } };
  }
  return JSON.stringify(config); // JSON is YAML
}

/** The registry takes bcrypt only; the C library of every Debian can, and its Perl gives access to that. */
async function bcrypt(password: string): Promise<string> {
  const salt = '$2b$05$abcdefghijklmnopqrstuu';
  const { stdout } = await runFile('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', password, salt]);
  return stdout;
}

/** Any free port, or one of `LOOMS_TEST_REGISTRY_PORTS` (`47100-47131`), where the engine takes plain HTTP from those only. */
function registryPort(): Promise<number> {
  const range = process.env.LOOMS_TEST_REGISTRY_PORTS;
  if (range === undefined) return freePort();
  const [first = 0, last = first] = range.split('-').map(Number);
  return freePort([first, last]);
}

/** Resolves when the server says that it listens; goes on reading, since a full pipe would stop the server. */
function listening(log: NodeJS.ReadableStream): Promise<void> {
  return new Promise((done, fail) => {
    const seen: string[] = [];
    const giveUp = (why: string) => fail(new Error([`the registry ${why}`, ...seen.slice(-10)].join('\n')));
    const timer = setTimeout(() => giveUp(`is not up after ${startsWithinMs / 1000} s`), startsWithinMs);
    createInterface(log)
      .on('line', (line) => {
        seen.push(line);
        if (!line.includes('listening on')) return;
        clearTimeout(timer);
        done();
      })
      .on('close', () => {
        clearTimeout(timer);
        giveUp('ended');
      });
  });
}
