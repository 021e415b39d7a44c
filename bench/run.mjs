/**
 * Prints how looms compares, on this machine and in one run, with what a reader knows: Node's own start, the engine's
 * raw API, Docker Compose, `docker run`. Absolute times depend on the machine; the ratios are what to look at.
 *
 *   npm run bench                  all of it, about five minutes
 *   npm run bench -- start apply   only these parts
 */
import { benchApply } from './apply.mjs';
import { benchCall } from './call.mjs';
import { benchGates } from './gates.mjs';
import { benchStart } from './start.mjs';

const parts = { start: benchStart, apply: benchApply, gates: benchGates, call: benchCall };
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`there is no part ${unknown}; parts: ${Object.keys(parts).join(', ')}`);
  process.exitCode = 64;
} else {
  for (const [name, bench] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await bench();
}
