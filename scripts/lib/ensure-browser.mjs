import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackages } from './apt.mjs';
import { platform } from './platform.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * Makes sure that there is a Chromium for the tests of the page: finds one, else installs Debian's, with a font.
 *
 * @param {(note: string) => void} note is told each thing that takes time
 * @returns {Promise<string>} its path
 * @throws where there is none and we may not or cannot install one; the message says what a person does
 */
export async function ensureBrowser(note = () => {}) {
  const found = findBrowser();
  if (found) return found;
  const { os, root } = platform();
  if (os === 'debian' && root) {
    note('installing chromium from this machine’s package sources');
    await installPackages(['chromium', 'fonts-dejavu-core']);
  }
  const installed = findBrowser();
  if (installed) return installed;
  throw new Error(
    'There is no Chromium for the tests of the page. Install it (Debian, as root: apt-get install chromium), or name one: LOOMS_CHROMIUM=PATH',
  );
}

function findBrowser() {
  if (process.env.LOOMS_CHROMIUM) return process.env.LOOMS_CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
}
