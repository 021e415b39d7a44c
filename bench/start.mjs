import { looms } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram } from './lib/measure.mjs';

const rounds = 9;

/** What starting the program costs, as multiples of starting Node. */
export async function benchStart() {
  const program =
    (...args) =>
    async () =>
      (await runProgram(process.execPath, [looms, ...args])).ms;
  const node = async () => (await runProgram(process.execPath, ['-e', '0'])).ms;
  const kinds = {
    'node -e 0': node,
    'looms --version': program('--version'),
    'looms --help': program('--help'),
    'looms validate (one file)': program('validate', '-f', 'examples/quickstart.yaml'),
    'looms diff --help': program('diff', '--help'),
  };
  for (const work of Object.values(kinds)) await work();
  printRatios('Start-up', Object.entries(await inTurn(rounds, kinds)));
}
