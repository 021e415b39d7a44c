import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { allImages, ensureBaseImages } from './lib/base-images.mjs';
import { copyImages, derivedImages } from './lib/copy-images.mjs';
import { pingEngine } from './lib/engine-api.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';
import { onInterrupt } from './lib/interrupts.mjs';
import { narrator, seconds } from './lib/narrator.mjs';
import { ensurePackages, projectEnvironment } from './lib/packages.mjs';
import { platform } from './lib/platform.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { runVitest } from './lib/run-vitest.mjs';
import { ensureEngineRoot, startSecondEngine } from './lib/second-engine.mjs';
import { secondEngines } from './lib/second-engines.mjs';
import { removeTestLeftovers } from './lib/test-leftovers.mjs';
import { endTestProcesses } from './lib/test-processes.mjs';

const own = { name: 'own', title: 'The engine of this machine', projects: ['engine-alone', 'engine', 'cli', 'fault'] };
const targets = [own, ...secondEngines];
const usage = `usage: npm run test:engines -- [--only ${targets.map(({ name }) => name).join('|')}] [test files]`;

const { title, step, note, elapsed } = narrator();
const interrupt = onInterrupt();

/** Runs the tests that need an engine against the machine's own and against current ones, brought up beside it. */
async function main() {
  const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true });
  const chosen = targets.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) throw new Error(usage);
  const machine = platform();
  if (machine.os !== 'debian' || !machine.root)
    throw new Error(`This needs Debian or Ubuntu, and root. This machine: ${machine.name}.`);

  title('looms: the tests that need an engine, on several');
  step('prepare');
  await ensurePackages(root, note);
  const { host } = await ensureEngine(note);
  await ensureBaseImages(host, allImages, note);
  const env = projectEnvironment(root);
  await run('npm', ['run', '--silent', 'build'], { cwd: root, env });
  note('ready');

  const results = [];
  for (const target of chosen) {
    if (interrupt.signal.aborted) break;
    step(target.title);
    results.push(await testOn(target, { from: host, env, files: positionals }));
  }
  summarise(results);
}

async function testOn(target, { from, env, files }) {
  const start = performance.now();
  const result = { title: target.title, ok: true, passed: 0, failed: 0, skipped: 0, failures: [] };
  let engine;
  try {
    engine = target === own ? await ownEngine(from) : await secondEngine(target, from);
    result.version = engine.version;
    const { ok, results } = await runVitest(target.projects, {
      root,
      env: { ...env, ...engine.env },
      signal: interrupt.signal,
      enter: engine.enter,
      files,
    });
    for (const key of ['passed', 'failed', 'skipped']) for (const one of results) result[key] += one[key];
    result.failures = results.flatMap(({ failures }) => failures);
    result.ok = ok;
  } catch (error) {
    note(error.message);
    result.ok = false;
  } finally {
    await engine?.stop();
  }
  return { ...result, milliseconds: performance.now() - start };
}

const nameRun = () => randomBytes(6).toString('hex');

/** The one that is there, and goes on. */
async function ownEngine(host) {
  const run = nameRun();
  const { version } = await pingEngine(host);
  const stop = async () => {
    for (const reason of (await removeTestLeftovers(host, run)).failed) note(`could not remove ${reason}`);
  };
  return { version, enter: [], env: { DOCKER_HOST: host, LOOMS_TEST_RUN: run }, stop };
}

/** One in namespaces of its own, with the images of the machine's. */
async function secondEngine(target, from) {
  const engine = await startSecondEngine(target, { root: await ensureEngineRoot(target, note), shared: [root] });
  note(`${engine.version} answers on ${engine.host}`);
  const tags = [...allImages, ...(await derivedImages(from))];
  try {
    await copyImages(from, engine.host, tags);
  } catch (error) {
    await engine.stop();
    throw error;
  }
  note(`copied ${tags.length} images`);
  const run = nameRun();
  const stop = async () => {
    await endTestProcesses(run);
    await engine.stop();
  };
  // Tests that bring an engine of the machine's own program have nothing to say about this one.
  const env = { ...target.env, DOCKER_HOST: engine.host, LOOMS_SECOND_ENGINE: target.name, LOOMS_TEST_RUN: run };
  return { ...engine, env, stop };
}

function summarise(results) {
  step(`Summary, ${elapsed()}`);
  for (const { title, version, ok, passed, failed, skipped, milliseconds } of results) {
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    console.log(
      `  ${ok ? 'ok    ' : 'FAILED'}  ${seconds(milliseconds).padStart(8)}  ${title}, ${version ?? 'not started'}: ${counts}`,
    );
  }
  for (const { title, failures } of results) {
    for (const failure of failures) console.log(`\n  FAILED  ${title}: ${failure.replaceAll('\n', '\n    ')}`);
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  process.exitCode = interrupt.exitCode() ?? (results.every((result) => result.ok) ? 0 : 1);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
