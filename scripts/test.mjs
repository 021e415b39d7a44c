import { randomBytes } from 'node:crypto';
import { allImages, ensureBaseImages } from './lib/base-images.mjs';
import { ensureBrowser } from './lib/ensure-browser.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';
import { onInterrupt } from './lib/interrupts.mjs';
import { narrator, seconds } from './lib/narrator.mjs';
import { ensurePackages, projectEnvironment } from './lib/packages.mjs';
import { root } from './lib/root.mjs';
import { tryRun } from './lib/run.mjs';
import { runVitest } from './lib/run-vitest.mjs';
import { removeTestLeftovers } from './lib/test-leftovers.mjs';

const { title, step, note, elapsed } = narrator();
const interrupt = onInterrupt();
const isCi = process.env.CI === 'true';
const testRun = randomBytes(6).toString('hex');
const projects = ['unit', 'conformance', 'engine-alone', 'engine', 'cli', 'browser', 'fault', 'promises'];

/** One finished stage, `tests` with what came of each project. */
const stages = [];
let engine;

title('looms: everything that is checked');
try {
  await main();
} finally {
  await stage('clean up', cleanUp);
  summarise();
}

/** Goes on after a stage that failed, so that one run tells all that is wrong. */
async function main() {
  if (!(await stage('npm packages', installPackages))) return;
  const env = { ...projectEnvironment(root), LOOMS_TEST_RUN: testRun };
  await stage('Docker Engine and base images', () => prepareEngine(env));
  await stage('browser', () => prepareBrowser(env));
  await stage('lock file', () => runChecked('node', ['scripts/complete-lockfile.mjs', '--check'], env));
  await stage('build', () => npmRun('build', env));
  await stage('types', () => npmRun('typecheck', env));
  await stage('lint', () => npmRun('lint', env));
  await stage('unused code', () => npmRun('unused', env));
  await stage('tests', () => runVitest(projects, { root, env, signal: interrupt.signal }));
}

/**
 * @param {string} name
 * @param {() => Promise<{ ok: boolean, results?: import('./lib/run-vitest.mjs').ProjectResult[] }>} work
 * @returns {Promise<boolean>} whether it went well; after an interrupt nothing but the clean-up is started
 */
async function stage(name, work) {
  if (interrupt.signal.aborted && work !== cleanUp) return false;
  step(name);
  const start = performance.now();
  let outcome;
  try {
    outcome = await work();
  } catch (error) {
    note(error.message);
    outcome = { ok: false };
  }
  stages.push({ name, ...outcome, milliseconds: performance.now() - start });
  return outcome.ok;
}

async function installPackages() {
  const how = await ensurePackages(root, note);
  note(how === 'there' ? 'already there' : 'installed');
  return { ok: true };
}

/** Without an engine the tests that need one skip themselves and say why; in CI that is a failure. */
async function prepareEngine(env) {
  try {
    engine = await ensureEngine(note);
    note(`${engine.started ? 'started' : 'already there'}: Engine ${engine.version} on ${engine.host}`);
    env.DOCKER_HOST = engine.host;
    for (const { tag, how } of await ensureBaseImages(engine.host, allImages, note)) {
      note(`${tag}: ${how === 'there' ? 'already there' : how}`);
    }
    return { ok: true };
  } catch (error) {
    if (isCi) throw error;
    note(`${error.message}\nThe tests that need an engine are skipped.`);
    env.LOOMS_TEST_NO_ENGINE = error.message.split('\n')[0];
    return { ok: true };
  }
}

/** Without a browser the tests of the page skip themselves and say why; in CI that is a failure. */
async function prepareBrowser(env) {
  try {
    env.LOOMS_CHROMIUM = await ensureBrowser(note);
    note(env.LOOMS_CHROMIUM);
    return { ok: true };
  } catch (error) {
    if (isCi) throw error;
    note(`${error.message}\nThe tests of the page are skipped.`);
    env.LOOMS_TEST_NO_BROWSER = error.message.split('\n')[0];
    return { ok: true };
  }
}

function npmRun(script, env) {
  return runChecked('npm', ['run', '--silent', script], env);
}

async function runChecked(command, args, env) {
  const { code } = await tryRun(command, args, { cwd: root, env, signal: interrupt.signal, show: true });
  note(code === 0 ? 'good' : `failed: ${[command, ...args].join(' ')}`);
  return { ok: code === 0 };
}

async function cleanUp() {
  if (!engine) return { ok: true };
  const { removed, failed } = await removeTestLeftovers(engine.host, testRun);
  const counts = Object.entries(removed).filter(([, count]) => count > 0);
  note(
    counts.length === 0
      ? 'nothing left of the tests'
      : `removed ${counts.map(([kind, count]) => `${count} ${kind}`).join(', ')}`,
  );
  for (const reason of failed) note(`could not remove ${reason}`);
  return { ok: failed.length === 0 };
}

function summarise() {
  step(`Summary, ${elapsed()}`);
  const line = ({ ok, milliseconds }, text) =>
    console.log(`  ${ok ? 'ok    ' : 'FAILED'}  ${seconds(milliseconds).padStart(9)}  ${text}`);
  const counted = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`;
  const results = stages.flatMap((stage) => stage.results ?? []);
  for (const stage of stages) line(stage, stage.name);
  if (results.length > 0) console.log('\n  Tests, with the time of all files of a kind, which ran side by side:');
  for (const result of results) line(result, `${result.project}: ${counted(result)}`);
  if (interrupt.signal.aborted) console.log(`  ${interrupt.signal.reason.message}: the rest was not run`);
  if (engine?.started) console.log('  The engine started for this goes on; to end it: node scripts/engine.mjs stop');
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  for (const failure of results.flatMap(({ failures }) => failures)) {
    console.log(`\n  FAILED  ${failure.replaceAll('\n', '\n    ')}`);
  }
  const isGood = stages.every(({ ok }) => ok);
  process.exitCode = interrupt.exitCode() ?? (isGood ? 0 : 1);
  console.log(`\n${counted({ passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') })}`);
}
