import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Most of what a test does is to wait for an engine or for a process, so more files than cores run side by side. */
const maxWorkers = 2 * availableParallelism();

/** The projects with the longest files first: one that begins last is waited for alone. */
const order = ['fault', 'cli', 'engine', 'browser', 'conformance', 'unit'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => order.indexOf(a.project.name) - order.indexOf(b.project.name));
  }
}

const project = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], setupFiles: 'test/matchers.ts', ...extra },
});

export default defineConfig({
  test: {
    globalSetup: 'test/global-setup.ts',
    maxWorkers,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', { testTimeout: 120_000, hookTimeout: 120_000 }),
      project('conformance', { testTimeout: 300_000, hookTimeout: 240_000 }),
      project('engine', { testTimeout: 120_000, hookTimeout: 180_000 }),
      project('cli', { testTimeout: 180_000, hookTimeout: 240_000 }),
      project('browser', { testTimeout: 300_000, hookTimeout: 180_000 }),
      project('fault', { testTimeout: 1_800_000 }),
    ],
  },
});
