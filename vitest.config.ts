import { defineConfig } from 'vitest/config';

const project = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
});

export default defineConfig({
  test: {
    globalSetup: 'test/global-setup.ts',
    projects: [
      project('unit'),
      project('conformance', { testTimeout: 300_000 }),
      project('engine', { testTimeout: 120_000, hookTimeout: 180_000 }),
      project('cli', { testTimeout: 180_000, hookTimeout: 240_000 }),
      project('fault', { testTimeout: 600_000 }),
    ],
  },
});
