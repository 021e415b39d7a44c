import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { isGood, randomFrom, runHarness, sample, subset, tallyTable, transitionNamed } from './harness.ts';
import { transitionsHere } from './transitions.ts';

const usage = `npm run test:fault -- [--all] [--transition NAME]… [--fault NAME]… [--at N] [--cuts N] [--seed N]
Without --all, --fault or --at: ${subset.cuts} cuts of each transition, as in npm test, others each time;
--seed repeats those of a run. --verbose tells each cut.`;

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    transition: { type: 'string', multiple: true },
    fault: { type: 'string', multiple: true },
    at: { type: 'string' },
    cuts: { type: 'string', default: String(subset.cuts) },
    seed: { type: 'string', default: process.env.LOOMS_TEST_SEED || String(randomInt(2 ** 31)) },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}

const chosen = values.transition?.map(transitionNamed) ?? (await transitionsHere());
const takesAll = values.all || values.fault !== undefined || values.at !== undefined;
if (!takesAll) console.log(`seed ${values.seed}, ${values.cuts} cuts of each transition`);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
const tallies = await runHarness({
  transitions: chosen,
  parallelism: 2,
  signal: interrupted.signal,
  choose: (points) =>
    takesAll
      ? points
          .filter(({ fault }) => values.fault?.includes(fault) ?? true)
          .filter(({ at }) => values.at === undefined || at === Number(values.at))
      : sample(points, Number(values.cuts), randomFrom(Number(values.seed))),
  report: (line) => {
    if (values.verbose || !line.startsWith('ok')) console.log(line);
  },
});
console.log(`\n${tallyTable(tallies)}`);
process.exitCode = isGood(tallies) && !interrupted.signal.aborted ? 0 : 1;
