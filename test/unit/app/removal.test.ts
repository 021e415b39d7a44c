import { expect, test } from 'vitest';
import { planWork } from '../../../src/app/plan/plan-work.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { Plan } from '../../../src/model/plan.ts';
import type { RemovalIntent } from '../../../src/orchestrator/port.ts';

const remove = (kind: Plan['engine']['kind'], data: RemovalIntent['data']) => {
  const ports = {
    now: () => 0,
    orchestrator: async () => ({
      plan: async (intent: RemovalIntent) => ({ intent, servers: [], plan: { engine: { kind }, warnings: [] } }),
    }),
  } as unknown as Ports;
  const servers = [asServerName('fs')];
  return planWork(ports, { kind: 'removal', project: asProjectName('team'), servers, data }, { policies: [] });
};

test('files that are to be kept are not given up by a cluster, which cannot keep any', async () => {
  await expect(remove('kubernetes', 'keep')).rejects.toMatchObject({
    code: 'engine-unsupported',
    hint: expect.stringContaining('leave --preserve-data out'),
  });
  await expect(remove('kubernetes', 'give-up')).resolves.toMatchObject({ plan: { warnings: [] } });
  await expect(remove('docker', 'keep')).resolves.toMatchObject({ plan: { warnings: [] } });
});
