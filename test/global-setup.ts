import { randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * One temporary folder for a whole run, so that whatever a test leaves there goes with the run, a failed one included;
 * one seed for all that is random in it, another one each time unless `LOOMS_TEST_SEED` gives it; and a name for the run,
 * for the labels of what it makes, unless whoever started it and cleans up after it gave one.
 */
export default function setUp(): () => void {
  process.env.LOOMS_TEST_RUN ||= randomBytes(6).toString('hex');
  process.env.LOOMS_TEST_SEED ||= String(randomInt(2 ** 31));
  console.log(`seed of properties, damaged texts and cuts: LOOMS_TEST_SEED=${process.env.LOOMS_TEST_SEED}`);
  const folder = mkdtempSync(join(tmpdir(), 'looms-run-'));
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
