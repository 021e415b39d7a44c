/**
 * Prints how looms compares, on this machine and in one run, with what a reader knows: Node's own start, the engine's
 * raw API, Docker Compose, `docker run`, ToolHive. Absolute times depend on the machine; the ratios are what to look at.
 *
 *   npm run bench                       all of it, about ten minutes
 *   npm run bench -- start apply        only these parts
 *   npm run bench -- --json [FILE]      also as JSON, into a file or at the end of what is printed
 */
import { writeFileSync } from 'node:fs';
import { benchApply } from './apply.mjs';
import { benchCall } from './call.mjs';
import { benchGates } from './gates.mjs';
import { benchGateway } from './gateway.mjs';
import { benchGrowth } from './growth.mjs';
import { tables } from './lib/measure.mjs';
import { benchLook } from './look.mjs';
import { benchScan } from './scan.mjs';
import { benchStart } from './start.mjs';
import { benchThv } from './thv.mjs';

const parts = {
  start: benchStart,
  apply: benchApply,
  gates: benchGates,
  call: benchCall,
  gateway: benchGateway,
  scan: benchScan,
  look: benchLook,
  growth: benchGrowth,
  thv: benchThv,
};
const words = process.argv.slice(2);
const json = words.indexOf('--json');
// The word behind it is a file unless it names a part.
const file = json !== -1 && words[json + 1] !== undefined && !(words[json + 1] in parts) ? words[json + 1] : undefined;
const wanted = words.filter((word, index) => word !== '--json' && (file === undefined || index !== json + 1));
const unknown = wanted.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`there is no part ${unknown}; parts: ${Object.keys(parts).join(', ')}`);
  process.exitCode = 64;
} else {
  const failed = [];
  for (const [name, bench] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    try {
      await bench();
    } catch (error) {
      // What the other parts measured is worth minutes, and is printed all the same.
      console.error(`${name} failed:`, error);
      failed.push(name);
      process.exitCode = 1;
    }
  }
  if (json !== -1) {
    const figures = { node: process.version, at: new Date().toISOString(), tables, failed };
    const text = `${JSON.stringify(figures, null, 2)}\n`;
    if (file === undefined) process.stdout.write(text);
    else writeFileSync(file, text);
  }
}
