import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianMirrors } from '../../scripts/lib/apt.mjs';
import { run, tryRun } from '../../scripts/lib/run.mjs';
import { stateDir } from '../../scripts/lib/state-dir.mjs';
import { withFile } from './looms.mjs';
import { runProgram } from './measure.mjs';

/**
 * Finds Docker Compose v2: the plugin, the program, or (as root on Debian) the one of Debian's next release, unpacked
 * beside the system without installing it.
 *
 * @returns {Promise<{ command: string, args: string[], version: string } | undefined>}
 */
export async function findCompose() {
  for (const [command, args] of [
    ['docker', ['compose']],
    ['docker-compose', []],
    [unpackedPath(), []],
  ]) {
    const version = await versionOf(command, args);
    if (version !== undefined) return { command, args, version };
  }
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return undefined;
  await unpackFromDebian();
  const version = await versionOf(unpackedPath(), []);
  return version === undefined ? undefined : { command: unpackedPath(), args: [], version };
}

/**
 * Runs `work` while a Compose project is up; with undefined where Compose cannot be had.
 *
 * @template T
 * @param {string} project
 * @param {string} text its file
 * @param {(compose: ((...args: string[]) => ReturnType<typeof runProgram>) | undefined) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withComposeProject(project, text, work) {
  const compose = await findCompose();
  if (compose === undefined) return work(undefined);
  return withFile(text, 'compose.yaml', async (cwd) => {
    const run = (...args) => runProgram(compose.command, [...compose.args, '-p', project, ...args], { cwd });
    try {
      await run('up', '-d');
      return await work(run);
    } finally {
      await run('down', '-t', '0');
    }
  });
}

const folder = () => stateDir('compose');
const unpackedPath = () => join(folder(), 'root/usr/libexec/docker/cli-plugins/docker-compose');

async function versionOf(command, args) {
  const { code, stdout } = await tryRun(command, [...args, 'version', '--short']).catch(() => ({
    code: 1,
    stdout: '',
  }));
  const version = stdout.trim();
  return code === 0 && /^v?[2-9]\./.test(version) ? version : undefined;
}

async function unpackFromDebian() {
  const { main } = await debianMirrors();
  if (main === undefined) return;
  const dir = folder();
  for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(dir, part), { recursive: true });
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(join(dir, 'sources.list'), `deb [signed-by=${keyring}] ${main} trixie main\n`);
  const options = [
    `Dir::Etc::SourceList=${join(dir, 'sources.list')}`,
    'Dir::Etc::SourceParts=-',
    `Dir::State::Lists=${join(dir, 'lists')}`,
    `Dir::Cache=${join(dir, 'cache')}`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, 'update', '-qq']);
  await run('apt-get', [...options, 'download', 'docker-compose'], { cwd: dir });
  const archive = readdirSync(dir).find((name) => name.startsWith('docker-compose_'));
  if (archive !== undefined) await run('dpkg', ['-x', archive, 'root'], { cwd: dir });
}
