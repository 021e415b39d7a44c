// Starts the program from its scripts. It is a bundle of its own, which loads nothing but itself.
import {
  closeSync,
  constants as fileFlags,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';
import type { main as Main } from './main.ts';
import { commandNames } from './usage.ts';

type Exports = Readonly<Record<string, unknown>>;
type Chunk = (
  exports: Exports,
  take: (chunk: string) => Exports,
  load: (chunk: string) => Promise<Exports>,
  importFile: (url: string) => Promise<unknown>,
  urlOf: (chunk: string) => string,
) => void;
type Chunks = Readonly<Record<string, Chunk>>;

/** Of the bundle (`scripts/lib/pack.mjs`); the second is for what the first does not have. */
const scripts = ['looms', 'libraries'] as const;

/** How many runs of a command add to the compiled code that is kept for it. */
const learningRuns = 3;
/** How many versions of the program have code kept for a command: two that are used in turn do not push each other out. */
const mostVersions = 2;
/** Exit codes of runs that went the way that most runs go: done, and changes found. */
const usualExits: ReadonlySet<unknown> = new Set([undefined, 0, 2]);

/** Runs one command line and ends the process, as `main` does. `root` is the package's folder. */
export async function start(argv: readonly string[], root: string): Promise<void> {
  const take = chunksOf(join(root, 'dist'), commandOf(argv));
  const { main } = take('cli/main.js') as { main: typeof Main };
  await main(argv, root, async (name) => take(`commands/${name}.js`));
}

/** What tells a command's compiled code from that of others: its name, as far as it is one. */
function commandOf(argv: readonly string[]): string {
  if (argv.includes('--help') || argv.includes('-h')) return 'help';
  const [first = '', second = ''] = argv;
  const named = [`${first} ${second}`, first].find((name) => commandNames.includes(name));
  return named?.replace(' ', '-') ?? 'help';
}

/** Evaluates the chunks of the bundle, each once, when they are asked for; undefined for one that there is not. */
function chunksOf(dist: string, command: string): (name: string) => Exports | undefined {
  const opened: Chunks[] = [];
  const evaluated = new Map<string, Exports>();
  const find = (name: string): Chunk | undefined => {
    for (const [index, script] of scripts.entries()) {
      opened[index] ??= openScript(join(dist, `${script}.js`), `${script}-${command}`);
      const chunk = opened[index][name];
      if (chunk !== undefined) return chunk;
    }
    return undefined;
  };
  const takeOrNot = (name: string): Exports | undefined => {
    const known = evaluated.get(name);
    if (known !== undefined) return known;
    const exports: Exports = {};
    const chunk = find(name);
    if (chunk === undefined) return undefined;
    // Before it runs: one that leads back to itself takes what there is of it by then, as modules do.
    evaluated.set(name, exports);
    chunk(exports, take, load, importFile, urlOf);
    return exports;
  };
  const take = (name: string): Exports => {
    const taken = takeOrNot(name);
    if (taken === undefined) throw new Error(`no chunk ${name}`);
    return taken;
  };
  const load = async (name: string): Promise<Exports> => take(name);
  const urlOf = (name: string): string => pathToFileURL(join(dist, name)).href;
  const folder = urlOf('');
  // oclif imports the files of commands by their places, where it runs one.
  const importFile = async (url: string): Promise<unknown> =>
    (url.startsWith(folder) ? takeOrNot(url.slice(folder.length)) : undefined) ?? import(url);
  return takeOrNot;
}

/**
 * Compiles a script, with the code that V8 made of it in earlier runs of the same command. Node keeps compiled code too,
 * but as it is before anything ran, when most functions are not compiled yet.
 */
function openScript(file: string, name: string): Chunks {
  const source = readFileSync(file, 'latin1');
  const kept = keptCode(source, name);
  const script = new Script(source, {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(kept === undefined ? {} : { cachedData: kept.code }),
  });
  const runs = kept === undefined || script.cachedDataRejected === true ? 0 : kept.runs;
  if (runs < learningRuns) {
    process.once('exit', () => {
      if (usualExits.has(process.exitCode)) keepCode(source, name, runs + 1, script.createCachedData());
    });
  }
  return script.runInThisContext();
}

/** Where a script's compiled code is kept: in the folder where Node keeps its own, which is one of this Node and user. */
function placeOf(source: string, name: string): string | undefined {
  const folder = getCompileCacheDir();
  const [, print] = /^\/\*(\w+)\*\//.exec(source) ?? [];
  return folder === undefined || print === undefined ? undefined : join(folder, `looms-${print}-${name}`);
}

const headerBytes = 8;

/** Neither waits for who writes into a pipe nor follows a link; Windows knows neither flag. */
const asItLies = fileFlags.O_RDONLY | (fileFlags.O_NONBLOCK ?? 0) | (fileFlags.O_NOFOLLOW ?? 0);

/** Undefined where there is no such file, and where it is not this user's own: what is kept is run. */
function keptCode(source: string, name: string): { readonly runs: number; readonly code: Buffer } | undefined {
  const place = placeOf(source, name);
  if (place === undefined) return undefined;
  try {
    const file = openSync(place, asItLies);
    try {
      const found = fstatSync(file);
      if (!found.isFile() || (process.getuid !== undefined && found.uid !== process.getuid())) return undefined;
      const content = readFileSync(file);
      return { runs: content.readUInt32LE(0), code: content.subarray(headerBytes) };
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}

/** V8 checks no sums of what it is given, so a file is either whole or not there. What cannot be kept costs time only. */
function keepCode(source: string, name: string, runs: number, code: Buffer): void {
  const place = placeOf(source, name);
  if (place === undefined) return;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(runs, 0);
  const draft = `${place}.${process.pid}`;
  try {
    writeFileSync(draft, Buffer.concat([header, code]), { mode: 0o600, flag: 'wx', flush: true });
    renameSync(draft, place);
    dropOlder(place, name);
  } catch {
    rmSync(draft, { force: true });
  }
}

/** Removes what other versions of the program kept for the same script and command, but for the newest. */
function dropOlder(place: string, name: string): void {
  const folder = dirname(place);
  const isOther = (file: string): boolean =>
    file !== basename(place) && file.startsWith('looms-') && /^\w+$/.test(file.slice(6, -name.length - 1));
  readdirSync(folder)
    .filter((file) => file.endsWith(`-${name}`) && isOther(file))
    .map((file) => join(folder, file))
    .map((file) => ({ file, at: lstatSync(file).mtimeMs }))
    .toSorted((a, b) => b.at - a.at)
    .slice(mostVersions - 1)
    .forEach(({ file }) => void rmSync(file, { force: true }));
}
