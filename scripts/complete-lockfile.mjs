import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingPlatformPackages, pointlessNodeDemands } from './lib/lockfile.mjs';
import { root } from './lib/root.mjs';

/**
 * Adds to package-lock.json what npm left out of it, so that `npm ci` works on every platform, and takes out demands of a
 * newer Node that the one of the lock file meets, so that `npm ci` warns under an older one only where something is wrong.
 * Run it after each change of dependencies; with `--check` it only says whether that is needed (exit 1).
 */
const file = join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = missingPlatformPackages(lock.packages);
const demands = pointlessNodeDemands(lock.packages);
const found = `${Object.keys(missing).length} packages of other platforms, ${demands.length} demands of a newer Node`;

if (Object.keys(missing).length + demands.length === 0) {
  console.log('package-lock.json is complete');
} else if (process.argv.includes('--check')) {
  console.error(`package-lock.json is not as npm ci needs it (${found}). Run: node scripts/complete-lockfile.mjs`);
  process.exitCode = 1;
} else {
  for (const path of demands) {
    const { node, ...others } = lock.packages[path].engines;
    lock.packages[path].engines = Object.keys(others).length === 0 ? undefined : others;
  }
  const [first, ...rest] = Object.entries({ ...lock.packages, ...missing });
  const sorted = rest.sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries([first, ...sorted]) }, null, 2)}\n`);
  console.log(`package-lock.json: added or took out ${found}`);
}
