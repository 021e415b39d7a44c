import type { DesiredServer, ImageSource } from '../desired.ts';
import { appFolder } from './recipe.ts';

/** A command line that fetches a package when it starts and runs it: `npx -y @scope/server /data`. */
export type PackageRun = {
  /** As it is written: `npx`, `npm exec`, `pip install`. */
  readonly runner: string;
  readonly ecosystem: 'node' | 'python';
  /** false: it installs and ends, and there is nothing to run in its place. */
  readonly runs: boolean;
  /** The package with its version, as written; absent where the options hide which one it is. */
  readonly package?: string;
  /** The program of the package, where it is named. Python's runners always run one of the package's name. */
  readonly program?: string;
  readonly args: readonly string[];
};

/** Options with a value as the next word; of each runner only those are read whose meaning is known here. */
type Options = {
  readonly ecosystem: PackageRun['ecosystem'];
  /** Name the package where it is not called as its program is. */
  readonly from: readonly string[];
  readonly withValue: readonly string[];
  readonly plain: readonly string[];
  readonly runs: boolean;
};

const quiet = ['-q', '--quiet', '-s', '--silent'];
const npx: Options = {
  ecosystem: 'node',
  from: ['-p', '--package'],
  withValue: [],
  plain: ['-y', '--yes', '--no', '--no-install', '--prefer-offline', '--prefer-online', '--offline', ...quiet],
  runs: true,
};
const uvx: Options = {
  ecosystem: 'python',
  from: ['--from'],
  withValue: ['--python'],
  plain: ['--refresh', '--isolated', '--offline', '--no-cache', '-n', ...quiet],
  runs: true,
};
const pipx: Options = {
  ecosystem: 'python',
  from: ['--spec'],
  withValue: ['--python'],
  plain: ['--no-cache', ...quiet],
  runs: true,
};
const pip: Options = { ecosystem: 'python', from: [], withValue: [], plain: quiet, runs: false };

/** By the words that a command line begins with. */
const runners: Readonly<Record<string, Options>> = {
  npx,
  'npm exec': npx,
  'npm x': npx,
  bunx: npx,
  'bun x': npx,
  'pnpm dlx': npx,
  'yarn dlx': npx,
  uvx,
  'uv tool run': uvx,
  'pipx run': pipx,
  'pip install': pip,
  'pip3 install': pip,
};

const firstWords: ReadonlySet<string | undefined> = new Set(Object.keys(runners).map((name) => name.split(' ')[0]));

/** What a command line fetches and runs; undefined for one that names a program of the image. */
export function packageRunOf(argv: readonly string[]): PackageRun | undefined {
  const first = argv[0]?.split('/').at(-1) ?? '';
  // Most command lines begin with none of these words.
  if (!firstWords.has(first.split(' ')[0])) return undefined;
  const words = [first, ...argv.slice(1)];
  const runner = Object.keys(runners).find((name) => name === words.slice(0, name.split(' ').length).join(' '));
  const options = runner === undefined ? undefined : runners[runner];
  if (runner === undefined || options === undefined) return undefined;
  const { ecosystem, runs } = options;
  return { runner, ecosystem, runs, ...read(words.slice(runner.split(' ').length), options) };
}

function read(words: readonly string[], options: Options): Pick<PackageRun, 'package' | 'program' | 'args'> {
  let from: string | undefined;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const [name = '', value] = word.split(/=(.*)/s);
    if (options.plain.includes(word)) continue;
    if (options.from.includes(name)) {
      from = value ?? words[++at];
    } else if (options.withValue.includes(name)) {
      if (value === undefined) at += 1;
    } else if (word === '--' || !word.startsWith('-')) {
      const [program, ...args] = words.slice(word === '--' ? at + 1 : at);
      if (program === undefined) break;
      if (from !== undefined) return { package: from, program, args };
      return { package: program, args };
    } else break;
  }
  return { args: [] };
}

/** The name of a package without its version, in one spelling. */
function nameOf(written: string, ecosystem: PackageRun['ecosystem']): string {
  if (ecosystem === 'node') return written.replace(/(?!^)@.*$/s, '');
  // PEP 503: runs of these characters mean the same; extras and versions follow the name.
  return (/^[A-Za-z0-9._-]+/.exec(written)?.[0] ?? written).toLowerCase().replaceAll(/[-_.]+/g, '-');
}

/** The version that is asked for, in one spelling (`@1.2` of npx and uvx is `==1.2` of pip); none for the newest. */
const versionOf = (written: string): string =>
  written.replace(/^.[^@=<>~!]*(?:@latest$)?/s, '').replace(/^(?:@|==)/, '');

function isInstalled(run: PackageRun, image: ImageSource): boolean {
  if (run.package === undefined || !run.runs || image.kind !== run.ecosystem) return false;
  const wanted = run.package;
  const found = image.packages.find((one) => nameOf(one, run.ecosystem) === nameOf(wanted, run.ecosystem));
  if (found === undefined)
    return image.kind === 'node' ? image.packageJsonFile !== undefined : image.requirementsFile !== undefined;
  return versionOf(wanted) === '' || versionOf(wanted) === versionOf(found);
}

/**
 * Runs the program of a package that is installed globally, or in the folder that `package_json_file` goes to, as npx
 * would: its only program, or the one of the package's own name. npx itself finds a package offline only where its
 * program is called the same, and stays beside the server as a process of 60 MiB and more.
 */
const launcher = `
const { existsSync, realpathSync } = require('node:fs');
const { dirname, join } = require('node:path');
const name = process.argv[1];
const roots = ['/opt/${appFolder}/node_modules', join(dirname(process.execPath), '../lib/node_modules'), '/usr/local/lib/node_modules', '/usr/lib/node_modules'];
const folder = roots.map((root) => join(root, name)).find((one) => existsSync(join(one, 'package.json')));
const fail = (why) => { console.error('looms: ' + name + ' ' + why); process.exit(127); };
if (folder === undefined) fail('is not installed in this image: name it in node.preinstall_packages');
const { bin = {} } = require(join(folder, 'package.json'));
const programs = typeof bin === 'string' ? { [name]: bin } : bin;
const files = [...new Set(Object.values(programs))];
const file = files.length === 1 ? files[0] : programs[name.split('/').at(-1)];
if (file === undefined) fail('has the programs ' + Object.keys(programs).join(', ') + ': name one as mcp_server.command');
process.argv[1] = realpathSync(join(folder, file));
require('node:module').runMain();
`;

/** What is run instead of a command line that would fetch what its image has already; undefined where it has not. */
export function installedArgv(run: PackageRun, image: ImageSource): readonly string[] | undefined {
  if (run.package === undefined || !isInstalled(run, image)) return undefined;
  if (run.ecosystem === 'python') return [run.program ?? nameWritten(run.package), ...run.args];
  if (run.program !== undefined) return [run.program, ...run.args];
  return ['node', '-e', launcher, '--', nameOf(run.package, 'node'), ...run.args];
}

/** The name of a Python package as it is written: its program is looked up by it. */
const nameWritten = (written: string): string => /^[A-Za-z0-9._-]+/.exec(written)?.[0] ?? written;

/** The argv of a server as far as its spec says it, as it is written. */
export const writtenArgv = ({ entrypoint, mcp }: Pick<DesiredServer, 'entrypoint' | 'mcp'>): readonly string[] => [
  ...(entrypoint ?? []),
  ...(mcp.command === undefined ? [] : [mcp.command]),
  ...mcp.args,
];
