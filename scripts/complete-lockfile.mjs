import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingPlatformPackages } from './lib/lockfile.mjs';
import { root } from './lib/root.mjs';

/**
 * Adds to package-lock.json what npm left out of it, so that `npm ci` works on every platform. Run it
 * after each change of dependencies; with `--check` it only says whether that is needed (exit 1).
 */
const file = join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = missingPlatformPackages(lock.packages);
const count = Object.keys(missing).length;

if (count === 0) {
  console.log('package-lock.json is complete');
} else if (process.argv.includes('--check')) {
  console.error(
    `package-lock.json lacks ${count} packages of other platforms. Run: node scripts/complete-lockfile.mjs`,
  );
  process.exitCode = 1;
} else {
  const [first, ...rest] = Object.entries({ ...lock.packages, ...missing });
  const sorted = rest.sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries([first, ...sorted]) }, null, 2)}\n`);
  console.log(`package-lock.json: added ${count} packages of other platforms`);
}
