import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One temporary folder for a whole run, so that whatever a test leaves there goes with the run, a failed one included. */
export default function setUp(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'looms-run-'));
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
