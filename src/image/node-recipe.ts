import { appFolder, type ContextFile } from '../model/container/recipe.ts';
import type { ImageSource } from '../model/desired.ts';
import {
  argInstruction,
  copyInstruction,
  envInstruction,
  onOneLine,
  type RecipeBody,
  shellWord,
} from './dockerfile-text.ts';

type NodeSource = Extract<ImageSource, { kind: 'node' }>;

/** Lock files that `npm ci` reads; the first has precedence, as in npm. */
export const lockFiles = ['npm-shrinkwrap.json', 'package-lock.json'] as const;

const imageFolder = `/opt/${appFolder}`;
const cacheFolder = '/tmp/looms-npm-cache';
const npmSettings = {
  NPM_CONFIG_CACHE: cacheFolder,
  NPM_CONFIG_AUDIT: 'false',
  NPM_CONFIG_FUND: 'false',
  NPM_CONFIG_UPDATE_NOTIFIER: 'false',
};

/**
 * Installs packages globally, and the dependencies of a package.json into a folder whose `.bin` is on the PATH; with a
 * lock file exactly what it says. npm's cache never enters the image; `use_npm_cache: false` means that no earlier
 * build's result is used either (`Recipe.useBuildCache`).
 */
export function nodeBody(source: NodeSource, files: readonly ContextFile[]): RecipeBody {
  const setup: string[] = [];
  const install: string[] = [argInstruction(npmSettings)];
  if (source.packageJsonFile !== undefined) {
    setup.push(copyInstruction([`${appFolder}/`], `${imageFolder}/`));
    setup.push(envInstruction('PATH', `${imageFolder}/node_modules/.bin:$PATH`));
    const isLocked = lockFiles.some((name) => files.some((file) => file.path === `${appFolder}/${name}`));
    install.push(npm(`${isLocked ? 'ci' : 'install'} --omit=dev --prefix ${imageFolder}`));
  }
  if (source.packages.length > 0) {
    const packages = source.packages.map((name) => shellWord(onOneLine(name, 'a package')));
    install.push(npm('install --global', packages));
  }
  return { setup, install, useBuildCache: source.npmCache };
}

function npm(command: string, packages: readonly string[] = []): string {
  const words = packages.length === 0 ? '' : ` -- ${packages.join(' ')}`;
  return `RUN npm ${command}${words} && rm -rf ${cacheFolder}`;
}
