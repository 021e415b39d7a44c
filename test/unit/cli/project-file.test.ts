import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readProjectFile } from '../../../src/cli/project-file.ts';

const root = mkdtempSync(join(tmpdir(), 'looms-project-file-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it('is no fault of looms when looms.yaml cannot be read, and not taken for absent either', async () => {
  mkdirSync(join(root, 'looms.yaml'));
  await expect(readProjectFile(root, {})).rejects.toMatchObject({
    code: 'file-not-found',
    message: expect.stringContaining('looms.yaml is there and cannot be read'),
  });
});
