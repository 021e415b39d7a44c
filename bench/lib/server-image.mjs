import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { looms, onSpecs, removeProject } from './looms.mjs';
import { runProgram } from './measure.mjs';

const quickstart = resolve(import.meta.dirname, '../../examples/quickstart.yaml');

/** How the quick start's server is started. */
export const serverArgv = ['mcp-server-everything', 'stdio'];

/**
 * The image of the quick start's server, built by looms if it is not there.
 *
 * @param {string} project
 */
export async function serverImage(project) {
  await onSpecs(project, readFileSync(quickstart, 'utf8'), ['apply', '--yes']);
  const { stdout } = await runProgram(process.execPath, [looms, 'get', '--json', '--project', project]);
  await removeProject(project);
  return JSON.parse(stdout)[0].image;
}
