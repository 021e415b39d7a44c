import { parseArgs } from 'node:util';
import { allImages, ensureBaseImages } from './lib/base-images.mjs';
import { copyImages, derivedImages } from './lib/copy-images.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';
import { onInterrupt } from './lib/interrupts.mjs';
import { narrator, seconds } from './lib/narrator.mjs';
import { ensurePackages, projectEnvironment } from './lib/packages.mjs';
import { platform } from './lib/platform.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { ensureEngineRoot, startSecondEngine } from './lib/second-engine.mjs';
import { secondEngines } from './lib/second-engines.mjs';
import { runVitestProject } from './lib/vitest-project.mjs';

const usage = `usage: npm run test:engines -- [--only ${secondEngines.map((engine) => engine.name).join('|')}] [test files]`;

const { title, step, note, elapsed } = narrator();
const interrupt = onInterrupt();

/** Runs the tests that need an engine against current ones, brought up beside the machine's own. */
async function main() {
  const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true });
  const chosen = secondEngines.filter(({ name, byDefault }) => (values.only ? name === values.only : byDefault));
  if (chosen.length === 0) throw new Error(usage);
  const machine = platform();
  if (machine.os !== 'debian' || !machine.root)
    throw new Error(`This needs Debian or Ubuntu, and root. This machine: ${machine.name}.`);

  title('looms: the tests that need an engine, on current ones');
  step('prepare');
  await ensurePackages(root, note);
  const own = await ensureEngine(note);
  await ensureBaseImages(own.host, allImages, note);
  const env = projectEnvironment(root);
  await run('npm', ['run', '--silent', 'build'], { cwd: root, env });
  note('ready');

  const results = [];
  for (const target of chosen) {
    if (interrupt.signal.aborted) break;
    step(target.title);
    results.push(await testOn(target, { from: own.host, env, files: positionals }));
  }
  summarise(results);
}

async function testOn(target, { from, env, files }) {
  const start = performance.now();
  const result = { title: target.title, ok: true, passed: 0, failed: 0, skipped: 0 };
  let engine;
  try {
    engine = await startSecondEngine(target, { root: await ensureEngineRoot(target, note), shared: [root] });
    result.version = engine.version;
    note(`${engine.version} answers on ${engine.host}`);
    const tags = [...allImages, ...(await derivedImages(from))];
    await copyImages(from, engine.host, tags);
    note(`copied ${tags.length} images`);
    for (const project of target.projects) {
      if (interrupt.signal.aborted) break;
      const counts = await runVitestProject(project, {
        root,
        // Tests that bring an engine of the machine's own program have nothing to say about this one.
        env: { ...env, ...target.env, DOCKER_HOST: engine.host, LOOMS_SECOND_ENGINE: target.name },
        signal: interrupt.signal,
        enter: engine.enter,
        files,
      });
      for (const key of ['passed', 'failed', 'skipped']) result[key] += counts[key];
      result.ok &&= counts.ok;
    }
  } catch (error) {
    note(error.message);
    result.ok = false;
  } finally {
    await engine?.stop();
  }
  return { ...result, milliseconds: performance.now() - start };
}

function summarise(results) {
  step(`Summary, ${elapsed()}`);
  for (const { title, version, ok, passed, failed, skipped, milliseconds } of results) {
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    console.log(
      `  ${ok ? 'ok    ' : 'FAILED'}  ${seconds(milliseconds).padStart(8)}  ${title}, ${version ?? 'not started'}: ${counts}`,
    );
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
