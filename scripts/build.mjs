// Builds `dist/`: validators, then one bundle per command with shared chunks, then the commands' manifest.
// The shape of the bundle is the start-up recipe of docs/architecture.md: every command is an entry of its own, what
// several share is a chunk, adapters are chunks that load on demand.
import { existsSync } from 'node:fs';
import { glob, mkdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/** Exports of `node:http` that load all of undici when they are read. */
const loadUndici = new Set(['WebSocket', 'CloseEvent', 'MessageEvent']);

/**
 * An ES import of `node:http` reads all its exports, and three of them load undici: 30 ms of each start that talks to an
 * engine. Taken as a builtin object, only what is named is read.
 */
const httpWithoutUndici = {
  name: 'http-without-undici',
  setup(context) {
    context.onResolve({ filter: /^node:http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'node:http', namespace: 'builtin' } : { path: 'node:http', external: true },
    );
    context.onLoad({ filter: /.*/, namespace: 'builtin' }, () => {
      const names = Object.keys(http).filter((name) => !loadUndici.has(name));
      const contents = [
        `const http = process.getBuiltinModule('node:http');`,
        'export default http;',
        `export const { ${names.join(', ')} } = http;`,
      ];
      return { contents: contents.join('\n'), loader: 'js' };
    });
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

async function bundle(commands) {
  const entries = Object.fromEntries(
    commands.map((file) => [relative('src', file).replace(/\.ts$/, ''), join(root, file)]),
  );
  const result = await build({
    absWorkingDir: root,
    entryPoints: { ...entries, 'cli/main': join(root, 'src/cli/main.ts') },
    outdir: dist,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    plugins: [httpWithoutUndici],
    // CommonJS packages inside an ES module bundle still ask for Node's own modules with `require`.
    banner: {
      js: "import { createRequire as looms_createRequire } from 'node:module';\nconst require = looms_createRequire(import.meta.url);",
    },
    keepNames: false,
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: false,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  await writeFile(join(dist, 'meta.json'), JSON.stringify(result.metafile));
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
const count = await writeManifest();
console.log(`built ${count} commands in ${((performance.now() - started) / 1000).toFixed(1)} s`);
