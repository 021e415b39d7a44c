import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { tryRun } from './run.mjs';
import { stateDir } from './state-dir.mjs';

/**
 * Runs one vitest project in sight, and counts.
 *
 * @param {string} project
 * @param {{ root: string, env: NodeJS.ProcessEnv, signal?: AbortSignal, enter?: string[], files?: string[] }} options
 *   `enter`: a command that runs another one somewhere else; `files`: only tests whose path holds one of these
 * @returns {Promise<{ ok: boolean, passed: number, failed: number, skipped: number, failures: string[] }>}
 *   a run that fails outside any test (a file that does not load, say) counts as one failed; `failures`: the file,
 *   the name and the reason of each, for the end of a log of which often only the end is kept
 */
export async function runVitestProject(project, { root, env, signal, enter = [], files = [] }) {
  const report = join(stateDir('reports'), `${project}-${process.pid}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  try {
    // A project that has none of the files has nothing to say.
    const chosen = files.length === 0 ? [] : ['--passWithNoTests', ...files];
    const [command, ...args] = [...enter, 'vitest', 'run', '--project', project, ...reporters, ...chosen];
    const { code } = await tryRun(command, args, { cwd: root, env, signal, show: true });
    const counts = existsSync(report) ? read(report, root) : { passed: 0, failed: 0, skipped: 0, failures: [] };
    const failed = code === 0 ? counts.failed : Math.max(counts.failed, 1);
    return { ...counts, failed, ok: code === 0 };
  } finally {
    rmSync(report, { force: true });
  }
}

function read(file, root) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: report.testResults.flatMap((result) => failuresOf(result, relative(root, result.name))),
  };
}

function failuresOf({ status, message, assertionResults }, file) {
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (status === 'failed' && failed.length === 0) return [`${file}\n${firstLines(message)}`];
  return failed.map((test) => `${file} > ${test.fullName}\n${firstLines(test.failureMessages.join('\n'))}`);
}

/** What went wrong and the first places in the code: twelve lines, where a whole message can hold a page of output. */
function firstLines(message) {
  return stripVTControlCharacters(message).split('\n').slice(0, 12).join('\n');
}
