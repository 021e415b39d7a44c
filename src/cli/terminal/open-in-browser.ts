import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../../model/failure.ts';
import type { ProjectName } from '../../model/ids.ts';
import { stateFolder } from '../../model/state-folder.ts';

/** How long the program that opens browsers may take before it is taken to have done so, ms. */
const opensMs = 3_000;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');

/**
 * Has the user's browser open an address that nobody else may see: it is in a file of the state folder, which leads there,
 * as everybody on a machine can read what programs are started with. Why it could not, for people; undefined when it could.
 */
export async function openInBrowser(
  url: string,
  {
    project,
    environment,
  }: { readonly project: ProjectName; readonly environment: Readonly<Record<string, string | undefined>> },
): Promise<string | undefined> {
  const folder = join(stateFolder(environment, homedir), 'serve');
  const file = join(folder, `${project}.open.html`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(file, `<!doctype html><meta http-equiv="refresh" content="0;url=${escaped(url)}">\n`, {
      mode: 0o600,
    });
  } catch (error) {
    return messageOf(error);
  }
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  return new Promise((resolve) => {
    const opener = spawn(program, [pathToFileURL(file).href], { stdio: 'ignore', detached: true });
    const timer = setTimeout(() => resolve(undefined), opensMs);
    const end = (trouble: string | undefined): void => {
      clearTimeout(timer);
      resolve(trouble);
    };
    opener.once('error', (error) => end(messageOf(error)));
    opener.once('exit', (exitCode) => end(exitCode === 0 ? undefined : `${program} ended with code ${exitCode}`));
    opener.unref();
  });
}
