import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runProgram } from './measure.mjs';

/** The built program. */
export const looms = resolve(import.meta.dirname, '../../bin/run.js');

/**
 * Runs a command of looms on specs given as text.
 *
 * @param {string} project
 * @param {string} specs
 * @param {readonly string[]} args e.g. `['apply', '--yes']`
 * @param {{ exits?: readonly number[], env?: NodeJS.ProcessEnv }} [options] codes that are no failure; its environment
 */
export const onSpecs = (project, specs, args, options) =>
  runProgram(process.execPath, [looms, ...args, '-f', '-', '--project', project], { input: specs, ...options });

/** @param {string} project */
export async function removeProject(project) {
  await runProgram(process.execPath, [looms, 'delete', '--all', '--yes', '--project', project]);
  await runProgram(process.execPath, [looms, 'prune', '--history', '--yes', '--project', project]);
}

/**
 * @template T
 * @param {string} text content of the one file in the folder
 * @param {string} name
 * @param {(folder: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withFile(text, name, work) {
  const folder = mkdtempSync(join(tmpdir(), 'looms-bench-'));
  try {
    writeFileSync(join(folder, name), text);
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
