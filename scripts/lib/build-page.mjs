import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

/**
 * Builds the page of `looms serve`: `dist/web/index.html`, and what it names, in `dist/web/assets` under names that hold a
 * hash of the content, so that a browser may keep each for ever.
 *
 * @param {string} root the repository
 * @returns {Promise<void>}
 */
export async function buildPage(root) {
  const out = join(root, 'dist/web');
  await rm(out, { recursive: true, force: true });
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['web/main.tsx', 'web/style/main.css', 'web/icon.svg'],
    outdir: join(out, 'assets'),
    entryNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.svg': 'copy' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome120', 'firefox128', 'safari17.4'],
    tsconfig: join(root, 'web/tsconfig.json'),
    minify: true,
    sourcemap: false,
    legalComments: 'none',
    logLevel: 'warning',
    write: false,
  });
  let html = await readFile(join(root, 'web/index.html'), 'utf8');
  for (const { path, contents } of outputFiles) {
    const name = basename(path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
    html = html.replace(`"${name.replace(/-[^-.]+\./, '.')}"`, `"/assets/${name}"`);
  }
  await writeFile(join(out, 'index.html'), html);
}
