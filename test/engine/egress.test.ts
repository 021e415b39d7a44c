import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Observed } from '../../src/docker/model/observed.ts';
import { type EngineBench, engineBench, testImage } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { plan, server } from '../support/planner-world.ts';
import { onPodman } from '../support/podman.ts';

describe.skipIf(withoutEngine())('a plan for a server with an allow-list, by what a real engine says of itself', () => {
  let bench: EngineBench;
  let observed: Observed;
  beforeAll(async () => {
    bench = await engineBench('egress');
    observed = await bench.engine.observe({ project: bench.project, images: [testImage], checkRegistry: [] });
  });
  afterAll(() => bench?.close());

  const planned = (network: { egress?: { host: string; port: number; tls: boolean }[]; egressLearn?: boolean }) => {
    const declared = server('a', { image: { kind: 'image', ref: testImage }, network });
    const { changes, steps } = plan([declared], observed, { project: bench.project });
    return { change: changes[0], makes: steps.map(({ op }) => op) };
  };

  test.each([
    ['a list', { egress: [{ host: 'db.example.com', port: 5432, tls: false }] }],
    ['egress_learn', { egressLearn: true }],
  ])('with %s leads it out on a Docker Engine, and on Podman says so and makes nothing', async (_, network) => {
    const { change, makes } = planned(network);
    if (!(await onPodman())) {
      expect(change).toMatchObject({ action: 'create' });
      expect(makes).toContain('await-listening');
      return;
    }
    expect(change).toMatchObject({
      action: 'blocked',
      why: {
        kind: 'unsupported',
        detail: expect.stringContaining('Podman gives no container the addresses that network.egress needs'),
        hint: expect.stringContaining('Docker Engine'),
      },
    });
    expect(makes).toEqual([]);
  });

  test('is none of its neighbour without one, which is made on both', () => {
    expect(planned({}).change).toMatchObject({ action: 'create' });
  });
});
