import { posix } from 'node:path';
import type { ImageSource } from '../model/desired.ts';
import {
  argInstruction,
  copyInstruction,
  envInstruction,
  literalValue,
  onOneLine,
  type RecipeBody,
  shellWord,
} from './dockerfile-text.ts';

type PythonSource = Extract<ImageSource, { kind: 'python' }>;

/** Folder of the context, and of the image, that holds the requirements file and the ones it takes in. */
export const requirementsFolder = 'looms-requirements';

/** Where a relative `virtual_env` starts: a folder that no default mount or tmpfs covers. */
const virtualEnvRoot = '/opt';

/** Settings instead of options: a pip that does not know one passes over it, and the command stays readable. */
const pipSettings = {
  PIP_NO_CACHE_DIR: '1',
  PIP_NO_INPUT: '1',
  PIP_PROGRESS_BAR: 'off',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_ROOT_USER_ACTION: 'ignore',
  // Debian marks its own Python as managed by apt; in an image of one program there is nothing to protect.
  PIP_BREAK_SYSTEM_PACKAGES: '1',
};

/**
 * Installs packages and requirements in one call of pip, so that they are resolved together. pip's cache never enters
 * the image; `use_pip_cache: false` means that no earlier build's result is used either (`Recipe.useBuildCache`).
 *
 * @param requirements the requirements file's path in the context, when the source has one
 */
export function pythonBody(source: PythonSource, requirements: string | undefined): RecipeBody {
  const setup: string[] = [];
  const install: string[] = [argInstruction(pipSettings)];
  if (source.requirementsFile !== undefined) {
    setup.push(copyInstruction([`${requirementsFolder}/`], `/${requirementsFolder}/`));
  }

  let python = 'python3';
  if (source.virtualEnv !== undefined) {
    const path = posix.resolve(virtualEnvRoot, onOneLine(source.virtualEnv, 'virtual_env'));
    python = shellWord(posix.join(path, 'bin/python3'));
    install.push(`RUN python3 -m venv ${shellWord(path)}`);
    setup.push(envInstruction('VIRTUAL_ENV', literalValue(path)));
    setup.push(envInstruction('PATH', `${literalValue(posix.join(path, 'bin'))}:$PATH`));
  }

  const wanted: string[] = [];
  if (source.requirementsFile !== undefined) {
    const file = requirements ?? `${requirementsFolder}/${posix.basename(source.requirementsFile)}`;
    wanted.push('--requirement', shellWord(onOneLine(`/${file}`, 'requirements_file')));
  }
  if (source.packages.length > 0) {
    wanted.push('--', ...source.packages.map((name) => shellWord(onOneLine(name, 'a package'))));
  }
  if (wanted.length > 0) install.push(`RUN ${python} -m pip install ${wanted.join(' ')}`);
  return { setup, install, useBuildCache: source.pipCache };
}
