import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readSpecFiles } from '../../../src/app/plan/spec-files.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { localFiles } from '../../../src/files/local-files.ts';

/** A file that says it is one and gives nothing to read, also to root. */
const unreadable = '/proc/self/mem';

test.skipIf(!existsSync(unreadable))(
  `a file that cannot be read is said by its name (needs ${unreadable}; skipped elsewhere)`,
  async () => {
    const ports = { files: localFiles({}, '/'), workingDirectory: '/' } as Ports;
    await expect(readSpecFiles(ports, [unreadable])).rejects.toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining(`${unreadable} cannot be read`),
    });
  },
);
