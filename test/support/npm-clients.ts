import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { emptyFolder } from './looms.ts';

const run = promisify(execFile);

/** A Node that is new enough for all of them, where the machine's is older. */
const node = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));

/** Their files, in the folder of packages. */
const programs = {
  mcporter: 'mcporter/dist/cli.js',
  inspector: '@modelcontextprotocol/inspector/clients/launcher/build/index.js',
} as const;

/** Programs of npm's that speak MCP and that nobody here wrote, by their files; installed for one run of a test. */
export type NpmClients = {
  /** Runs one with these words in an empty folder, and gives what it prints. Rejects where it ends with a failure. */
  readonly run: (program: keyof typeof programs, words: readonly string[]) => Promise<string>;
};

/** Installs them, by exact versions and without their scripts; 150 MB, which is why they are no dependencies. */
export async function npmClients(): Promise<NpmClients> {
  const folder = emptyFolder();
  const packages = ['mcporter@0.12.3', '@modelcontextprotocol/inspector@2.12.0'];
  const flags = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
  await run('npm', ['install', ...flags, ...packages], { cwd: folder, timeout: 300_000 });
  const home = emptyFolder();
  return {
    run: async (program, words) => {
      const { stdout } = await run(node, [join(folder, 'node_modules', programs[program]), ...words], {
        cwd: home,
        env: { PATH: process.env.PATH, HOME: home },
        timeout: 60_000,
        maxBuffer: 1 << 24,
      });
      return stdout;
    },
  };
}
