import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { tryRun } from './run.mjs';
import { stateDir } from './state-dir.mjs';

/**
 * What came of the tests of one vitest project. `milliseconds`: of
 * its files from their first test to their last, added up; `failures`: the file, the name and
 * the reason of each, for the end of a log of which often only the end is kept.
 *
 * @typedef {{ project: string, ok: boolean, passed: number, failed: number, skipped: number, failures: string[], milliseconds: number }} ProjectResult
 */

/**
 * Runs vitest projects in sight, their files side by side (vitest.config.ts), and counts.
 *
 * @param {string[]} projects
 * @param {{ root: string, env: NodeJS.ProcessEnv, signal?: AbortSignal, enter?: string[], files?: string[] }} options
 *   `enter`: a command that runs another one somewhere else; `files`: only tests whose path holds one of these
 * @returns {Promise<{ ok: boolean, results: ProjectResult[] }>} those that had files to run; `ok` is false, too, when vitest
 *   failed outside any file
 */
export async function runVitest(projects, { root, env, signal, enter = [], files = [] }) {
  const report = join(stateDir('reports'), `${process.pid}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  try {
    const names = projects.map((project) => `--project=${project}`);
    const chosen = files.length === 0 ? [] : ['--passWithNoTests', ...files];
    const [command, ...args] = [...enter, 'vitest', 'run', ...names, ...reporters, ...chosen];
    const { code } = await tryRun(command, args, { cwd: root, env, signal, show: true });
    const results = existsSync(report) ? read(report, root) : [];
    return { ok: code === 0, results };
  } finally {
    rmSync(report, { force: true });
  }
}

function read(file, root) {
  const byProject = new Map();
  for (const { name, ...result } of JSON.parse(readFileSync(file, 'utf8')).testResults) {
    const path = relative(root, name);
    const project = path.split('/')[1]; // test/unit/…
    byProject.set(project, [...(byProject.get(project) ?? []), { path, ...result }]);
  }
  return [...byProject].map(([project, results]) => {
    const tests = results.flatMap(({ assertionResults }) => assertionResults);
    const count = (...states) => tests.filter(({ status }) => states.includes(status)).length;
    const failures = results.flatMap(failuresOf);
    return {
      project,
      ok: failures.length === 0,
      passed: count('passed'),
      failed: failures.length,
      skipped: count('pending', 'skipped', 'todo', 'disabled'),
      failures,
      milliseconds: results.reduce((sum, { startTime, endTime }) => sum + endTime - startTime, 0),
    };
  });
}

/** A file that does not load has failed without a test that did. */
function failuresOf({ path, status, message, assertionResults }) {
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (status === 'failed' && failed.length === 0) return [`${path}\n${firstLines(message)}`];
  return failed.map((test) => `${path} > ${test.fullName}\n${firstLines(test.failureMessages.join('\n'))}`);
}

/** What went wrong and the first places in the code: twelve lines, where a whole message can hold a page of output. */
function firstLines(message) {
  return stripVTControlCharacters(message).split('\n').slice(0, 12).join('\n');
}
