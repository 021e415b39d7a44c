import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Most of what a test does is to wait for an engine or for a process, so more files than cores run side by side. */
const maxWorkers = 2 * availableParallelism();

/** What takes longest first: a file that begins last is waited for alone. First those that mostly wait for a clock. */
const order = [
  /\/(alerts|killed-clients|watch|interruption|serve|history|near)\.test\.ts$/,
  ...['fault', 'cli', 'engine', 'conformance', 'browser', 'unit'].map((folder) => new RegExp(`/test/${folder}/`)),
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => order.findIndex((pattern) => pattern.test(moduleId));
    return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
  }
}

const project = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], setupFiles: 'test/matchers.ts', ...extra },
});

const lockImage = 'test/engine/lock-image.test.ts';
const nodeLost = 'test/kube/node-lost.test.ts';

export default defineConfig({
  test: {
    globalSetup: 'test/global-setup.ts',
    maxWorkers,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', { testTimeout: 120_000, hookTimeout: 120_000 }),
      project('conformance', { testTimeout: 300_000, hookTimeout: 240_000 }),
      // It takes an image away from whatever else builds on the engine.
      project('engine-alone', { testTimeout: 120_000, include: [lockImage], sequence: { groupOrder: 1 } }),
      project('engine', { testTimeout: 120_000, hookTimeout: 180_000, exclude: [lockImage] }),
      project('cli', { testTimeout: 180_000, hookTimeout: 240_000 }),
      project('browser', { testTimeout: 300_000, hookTimeout: 180_000 }),
      project('fault', { testTimeout: 1_800_000 }),
      project('kube', { testTimeout: 120_000, hookTimeout: 180_000, exclude: [nodeLost] }),
      // It takes two nodes, and takes one away from whatever else runs there.
      project('node-lost', { testTimeout: 600_000, hookTimeout: 240_000, include: [nodeLost] }),
      project('promises', { testTimeout: 180_000, hookTimeout: 240_000 }),
    ],
  },
});
