import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { looms } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram } from './lib/measure.mjs';
import { names, yamlSpec } from './lib/specs.mjs';

const rounds = 9;

/** What starting the program costs, and reading specs, as multiples of starting Node. */
export async function benchStart() {
  const program =
    (...args) =>
    async () =>
      (await runProgram(process.execPath, [looms, ...args])).ms;
  const node = async () => (await runProgram(process.execPath, ['-e', '0'])).ms;
  const folder = mkdtempSync(join(tmpdir(), 'looms-bench-'));
  try {
    const specs = names(100).map(yamlSpec);
    for (const [index, text] of specs.entries()) writeFileSync(join(folder, `${index}.yaml`), text);
    const together = join(folder, 'fifty.specs');
    writeFileSync(together, specs.slice(0, 50).join('---\n'));
    const kinds = {
      'node -e 0': node,
      'looms --version': program('--version'),
      'looms --help': program('--help'),
      'looms diff --help': program('diff', '--help'),
      'looms validate (one file)': program('validate', '-f', 'examples/quickstart.yaml'),
      'looms validate (50 documents in a file)': program('validate', '-f', together),
      'looms validate (100 files)': program('validate', '-f', folder),
    };
    for (const work of Object.values(kinds)) await work();
    printRatios('Start-up', Object.entries(await inTurn(rounds, kinds)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
