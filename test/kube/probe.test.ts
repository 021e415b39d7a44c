import { describe, expect, it } from 'vitest';
import { kubectlSays } from '../support/kubectl.ts';
import { looms } from '../support/looms.ts';
import { withoutNodes } from '../support/nodes.ts';

/** A cluster that was made for tests enforces network policies. */
const isLeftOut = withoutNodes('another cluster may enforce no network policies');

describe.skipIf(isLeftOut)('looms doctor --probe, on a cluster', () => {
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
    const left = ['get', 'namespaces', '-l', 'looms.dev/probe', '-o', 'jsonpath={.items[*].status.phase}'];
    expect(await kubectlSays(left)).toMatch(/^(?:Terminating ?)*$/);
  });

  it('says where it cannot be tried', async () => {
    const { code, stdout } = await looms(['doctor', '--context', 'kubernetes:', '--probe'], {
      env: { ...env, LOOMS_RELAY_IMAGE: 'nowhere.invalid/none:1' },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ isolation +it could not be tried: the pod \w+ of the probe did not begin/);
  });
});
