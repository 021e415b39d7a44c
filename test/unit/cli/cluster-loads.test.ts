import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Settings } from '../../../src/cli/compose/composition.ts';
import { engineSource } from '../../../src/cli/compose/engine-source.ts';
import { thisProgram } from '../../../src/cli/terminal/program.ts';
import { emptyFolder } from '../../support/looms.ts';

const loaded = vi.hoisted(() => [] as string[]);
vi.mock('../../../src/docker/engine/connection/discovery.ts', (actual) => {
  loaded.push('discovery');
  return actual();
});
vi.mock('../../../src/docker/engine/engine.ts', (actual) => {
  loaded.push('engine');
  return actual();
});
vi.mock('../../../src/docker/orchestrator.ts', (actual) => {
  loaded.push('orchestrator');
  return actual();
});
vi.mock('../../../src/kubernetes/client/find-cluster.ts', () => ({
  findCluster: async ({ context }: { readonly context: string }) => ({ context }),
}));
vi.mock('../../../src/kubernetes/client/cluster.ts', () => ({
  connectCluster: ({ context }: { readonly context: string }) => ({ context, endpoint: 'https://127.0.0.1:6443' }),
}));
vi.mock('../../../src/kubernetes/orchestrator.ts', () => ({
  kubernetesOrchestrator: () => ({ close: async () => {} }),
}));

test('nothing of Docker is loaded for a cluster', async () => {
  const home = emptyFolder();
  const socket = join(home, 'engine.sock');
  const engine = createServer((_, response) => {
    response.end(JSON.stringify({ Version: '28.5.0', ApiVersion: '1.47' }));
  }).listen(socket);
  const open = async (named: Pick<Settings, 'host' | 'context'>): Promise<void> => {
    const settings = { ...named, program: { ...thisProgram(), environment: { HOME: home } } };
    const { orchestrator, engineIsLocal, engineAt, close } = engineSource(settings, undefined, () => ({}) as never);
    await orchestrator();
    await Promise.all([engineIsLocal(), engineAt('/')]);
    await close();
  };
  await open({ host: undefined, context: 'kubernetes:prod' });
  expect(loaded).toEqual([]);
  await open({ host: `unix://${socket}`, context: undefined });
  expect(loaded.toSorted()).toEqual(['discovery', 'engine', 'orchestrator']);
  engine.close();
});
