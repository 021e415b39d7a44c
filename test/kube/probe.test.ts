import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { looms } from '../support/looms.ts';

const runFile = promisify(execFile);

/** The cluster of `npm run test:kube`, whose network policies are enforced; another one may do otherwise. */
const program = process.env.LOOMS_TEST_KUBECTL ?? '';

describe.skipIf(program === '')('looms doctor --probe, on a cluster', () => {
  const env = { KUBECONFIG: process.env.KUBECONFIG ?? '' };

  it('sees that isolated servers are kept in, and leaves nothing', async () => {
    const { code, stdout } = await looms(['doctor', '--context', 'kubernetes:', '--probe', '--json'], { env });
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; detail: string }[] };
    expect([code, checks.find(({ name }) => name === 'isolation')], stdout).toEqual([
      0,
      {
        name: 'isolation',
        status: 'ok',
        detail: expect.stringContaining('of two pods on one node one reached the other, and no longer'),
      },
    ]);
    const left = ['kubectl', 'get', 'namespaces', '-l', 'looms.dev/probe', '-o', 'jsonpath={.items[*].status.phase}'];
    expect((await runFile(program, left)).stdout).toMatch(/^(?:Terminating ?)*$/);
  });

  it('says where it cannot be tried', async () => {
    const { code, stdout } = await looms(['doctor', '--context', 'kubernetes:', '--probe'], {
      env: { ...env, LOOMS_RELAY_IMAGE: 'nowhere.invalid/none:1' },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ isolation +it could not be tried: the pod \w+ of the probe did not begin/);
  });
});
