import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tryRun } from './run.mjs';
import { stateDir } from './state-dir.mjs';

/**
 * Runs one vitest project in sight, and counts.
 *
 * @param {string} project
 * @param {{ root: string, env: NodeJS.ProcessEnv, signal?: AbortSignal, enter?: string[], files?: string[] }} options
 *   `enter`: a command that runs another one somewhere else; `files`: only tests whose path holds one of these
 * @returns {Promise<{ ok: boolean, passed: number, failed: number, skipped: number }>}
 *   a run that fails outside any test (a file that does not load, say) counts as one failed
 */
export async function runVitestProject(project, { root, env, signal, enter = [], files = [] }) {
  const report = join(stateDir('reports'), `${project}-${process.pid}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  try {
    // A project that has none of the files has nothing to say.
    const chosen = files.length === 0 ? [] : ['--passWithNoTests', ...files];
    const [command, ...args] = [...enter, 'vitest', 'run', '--project', project, ...reporters, ...chosen];
    const { code } = await tryRun(command, args, { cwd: root, env, signal, show: true });
    const counts = existsSync(report) ? read(report) : { passed: 0, failed: 0, skipped: 0 };
    const failed = code === 0 ? counts.failed : Math.max(counts.failed, 1);
    return { ...counts, failed, ok: code === 0 };
  } finally {
    rmSync(report, { force: true });
  }
}

function read(file) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(file, 'utf8'));
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}
