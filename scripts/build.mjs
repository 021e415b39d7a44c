// Builds `dist/`: validators, then one bundle per command with shared chunks, then the page, then the commands' manifest.
// The shape of the bundle is the start-up recipe of docs/architecture.md: every command is an entry of its own, what
// several share is a chunk, adapters are chunks that load on demand.
import { existsSync } from 'node:fs';
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { buildPage } from './lib/build-page.mjs';
import { bundleForNode } from './lib/bundle-for-node.mjs';
import { packOf } from './lib/pack.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/**
 * Modules of Node's that cost milliseconds to load and that most runs have no use for (`node:crypto` 7.6 ms of CPU time,
 * `node:child_process` 6.4, measured with Node 24): their functions load them with the first call.
 */
const loadedOnFirstCall =
  /^node:(crypto|child_process|dns\/promises|readline\/promises|stream\/consumers|timers\/promises)$/;

/**
 * An ES import of a module of Node's reads all its exports, and some of those load much when they are read: undici behind
 * `node:http`, streams behind `node:fs`, every option of Node behind `node:process`. Taken as objects, only what is named
 * is read. `require` of CommonJS packages is made where something asks for it.
 */
function withBuiltinsAsObjects(text) {
  const taken = [];
  const builtin = (name) => `globalThis.process.getBuiltinModule("${name}")`;
  const rest = text.replace(
    /(?<=^|[;}\n])import(?:\s*\*\s*as\s+(\w+)\s*|\s+(\w+)\s*)?,?(?:\{([^{}]*)\})?\s*from\s*"(?:node:)?([\w/]+)";/g,
    (_statement, all, whole, named = '', name) => {
      const module = `node:${name}`;
      const names = named.split(',').filter(Boolean);
      // A class is needed as it is, for `new` and `instanceof`.
      const isFunction = (one) => /^\s*[a-z]/.test(one);
      const onCall = loadedOnFirstCall.test(module) ? names.filter(isFunction) : [];
      for (const one of onCall) {
        const [theirs, ours = theirs] = one.trim().split(/ as /);
        taken.push(`const ${ours}=(...given)=>${builtin(module)}.${theirs}(...given);`);
      }
      const atOnce = names.filter((one) => !onCall.includes(one)).join(',');
      for (const target of [all ?? whole, atOnce && `{${atOnce.replaceAll(' as ', ':')}}`].filter(Boolean)) {
        taken.push(`const ${target}=${builtin(module)};`);
      }
      return '';
    },
  );
  if (/\brequire\b/.test(rest)) {
    taken.push(`const require=${builtin('node:module')}.createRequire(import.meta.url);`);
  }
  // In front, as imports are: a module that runs earlier in the same file may use a name that it shares.
  return taken.join('') + rest;
}

/**
 * oclif requires all of itself and of its dependencies when it is loaded; a run needs its parser, and help the rest.
 * Each `const a = require(b)` becomes a function that requires on first use, as Babel's `lazy` does.
 */
const lazyOclif = {
  name: 'lazy-oclif',
  setup(context) {
    context.onLoad({ filter: /@oclif[/\\]core[/\\]lib[/\\].*\.js$/ }, async ({ path }) => ({
      contents: lazyRequires(withoutListener(await readFile(path, 'utf8'))),
      loader: 'js',
    }));
  },
};

/** oclif ends the program where stdout cannot be written, in the middle of what it does; `main` tells it in the end. */
const withoutListener = (source) => source.replace(/^process\.stdout\.on\('error'[\s\S]*?^\}\);$/m, '');

function lazyRequires(source) {
  const names = [];
  const declared = source.replace(
    /^(?:const|var) (\w+) = ((?:__\w+\()?require\("[^"]+"\)\)?);$/gm,
    (_line, name, required) => {
      names.push(name);
      return `let ${name}$; const ${name}$$ = () => (${name}$ ??= ${required});`;
    },
  );
  return names.reduce((text, name) => {
    // `new a.B()` would take the call for the constructor's.
    const constructed = text.replace(new RegExp(`\\bnew ${name}((?:\\.\\w+)+)`, 'g'), `new (${name}$$$$()$1)`);
    return constructed.replace(new RegExp(`(?<![.\\w$"'])${name}(?=\\.)`, 'g'), `${name}$$$$()`);
  }, declared);
}

/**
 * oclif asks `wsl-utils` at each start with help whether this is WSL, which a file tells; the rest of that package runs
 * programs, and is loaded with the first question for PowerShell.
 */
const wslWithoutPrograms = {
  name: 'wsl-without-programs',
  setup(context) {
    context.onResolve({ filter: /^wsl-utils$/ }, ({ pluginData }) =>
      pluginData === 'whole' ? undefined : { path: 'wsl', namespace: 'wsl' },
    );
    context.onLoad({ filter: /.*/, namespace: 'wsl' }, () => ({
      contents: `export { default as isWsl } from 'is-wsl';
        export const powerShellPath = async () => (await import('looms:wsl-utils')).powerShellPath();`,
      resolveDir: root,
    }));
    context.onResolve({ filter: /^looms:wsl-utils$/ }, ({ kind, resolveDir }) =>
      context.resolve('wsl-utils', { kind, resolveDir, pluginData: 'whole' }),
    );
  },
};

/** Help hands each of its texts to `ejs`, which compiles a program for it; one without a tag comes back as it is. */
const ejsForTemplates = {
  name: 'ejs-for-templates',
  setup(context) {
    context.onLoad({ filter: /@oclif[/\\]core[/\\]lib[/\\]help[/\\]util\.js$/ }, async ({ path }) => ({
      contents: lazyRequires(
        (await readFile(path, 'utf8')).replace('return ejs_1', 'if (!/<%|%>/.test(t)) return t;\n        return ejs_1'),
      ),
      loader: 'js',
    }));
  },
};

/**
 * What is small and shared by nearly all of the program, as one chunk instead of twenty: each file costs half a
 * millisecond to resolve and link. esbuild puts into one chunk what the same entries reach, so all of them reach it.
 */
const oneCommonChunk = {
  name: 'one-common-chunk',
  async setup(context) {
    const files = [];
    for await (const file of glob('src/model/**/*.ts', { cwd: root })) files.push(file);
    const contents = files
      .sort()
      .map((file) => `import './${file}';`)
      .join('\n');
    context.onResolve({ filter: /^looms:common$/ }, () => ({ path: 'common', namespace: 'common' }));
    context.onLoad({ filter: /.*/, namespace: 'common' }, () => ({ contents, loader: 'ts', resolveDir: root }));
    const itself = /^src[/\\](model[/\\]|cli[/\\]main[.])/;
    context.onLoad({ filter: /[/\\]src[/\\].*\.ts$/ }, async ({ path }) =>
      itself.test(relative(root, path))
        ? undefined
        : { contents: `import 'looms:common';${await readFile(path, 'utf8')}`, loader: 'ts' },
    );
  },
};

async function compileValidators() {
  const script = join(root, 'scripts/build-validators.mjs');
  if (!existsSync(script)) return;
  await import(pathToFileURL(script).href);
}

async function commandFiles() {
  const files = [];
  for await (const file of glob('src/commands/**/*.ts', { cwd: root })) files.push(file);
  return files.sort();
}

const shape = {
  ...bundleForNode,
  absWorkingDir: root,
  outdir: dist,
  sourcemap: false,
  logLevel: 'warning',
};

async function writeFiles({ outputFiles }) {
  for (const { path, text } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, withBuiltinsAsObjects(text));
  }
}

/** What runs before anything else is loaded is one file each: the way to a gateway that runs, and the way to the chunks. */
async function bundleFirst() {
  for (const [name, file] of Object.entries({ near: 'near/near.ts', start: 'start.ts' })) {
    await writeFiles(await build({ ...shape, entryPoints: { [`cli/${name}`]: join(root, 'src/cli', file) } }));
  }
}

/** Libraries that most runs have no use for: they are read with the first chunk that needs one. */
const isRare = ({ bytes, inputs }) => {
  const [largest] = Object.entries(inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
  return bytes > 10_000 && /^node_modules\/(?!@oclif|yaml|chalk|cli-spinners|picomatch)/.test(largest?.[0] ?? '');
};

/** The chunks as scripts, which is how they are run (`src/cli/start.ts`); threads are started from the files. */
async function pack({ outputs }) {
  const nameOf = (path) => relative('dist', path);
  const chunks = new Map();
  const names = { looms: [], libraries: [] };
  for (const [path, output] of Object.entries(outputs)) {
    const imports = output.imports.filter(({ kind, external }) => kind === 'import-statement' && !external);
    chunks.set(nameOf(path), {
      text: await readFile(join(root, path), 'utf8'),
      imports: imports.map((found) => nameOf(found.path)),
    });
    names[isRare(output) ? 'libraries' : 'looms'].push(nameOf(path));
  }
  for (const [script, own] of Object.entries(names))
    await writeFile(join(dist, `${script}.js`), await packOf(chunks, own));
}

async function bundle(commands) {
  const entries = Object.fromEntries(
    commands.map((file) => [relative('src', file).replace(/\.ts$/, ''), join(root, file)]),
  );
  const result = await build({
    ...shape,
    entryPoints: { ...entries, 'cli/main': join(root, 'src/cli/main.ts') },
    chunkNames: 'chunks/[name]-[hash]',
    splitting: true,
    // Its other form asks for its own files in a way that no bundler follows.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    plugins: [ejsForTemplates, lazyOclif, wslWithoutPrograms, oneCommonChunk],
    keepNames: false,
    metafile: true,
  });
  await writeFiles(result);
  await writeFile(join(dist, 'meta.json'), JSON.stringify(result.metafile));
  await pack(result.metafile);
}

/** What oclif would otherwise find out at every start by importing all commands. */
async function writeManifest() {
  process.chdir(root);
  const { Plugin } = await import('@oclif/core/config');
  const plugin = new Plugin({
    root,
    type: 'core',
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  const commands = Object.fromEntries(Object.entries(plugin.manifest.commands).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(
    join(root, 'oclif.manifest.json'),
    `${JSON.stringify({ commands, version: plugin.manifest.version }, null, 1)}\n`,
  );
  return Object.keys(commands).length;
}

const started = performance.now();
await mkdir(dist, { recursive: true });
// Stale chunks and commands would be found again by the manifest; validators are made anew right below.
for (const folder of ['commands', 'chunks', 'cli']) await rm(join(dist, folder), { recursive: true, force: true });
await rm(join(root, 'oclif.manifest.json'), { force: true });
await compileValidators();
const commands = await commandFiles();
await bundle(commands);
await bundleFirst();
await buildPage(root);
const count = await writeManifest();
console.log(`built ${count} commands in ${((performance.now() - started) / 1000).toFixed(1)} s`);
