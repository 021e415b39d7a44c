import { expect, test } from 'vitest';
import { asContainerId } from '../../../../src/model/ids.ts';
import { answeringEngine } from '../../../support/answering-engine.ts';

const id = asContainerId('c'.repeat(64));

test('what somebody else removes is waited for until it is gone, and not by a wait of the engine, which may never end', async () => {
  let looks = 3;
  await using one = await answeringEngine(({ method, path }) => {
    if (method === 'DELETE') return { refusedWith: 409, message: `removal of container ${id} is already in progress` };
    if (path !== `/containers/${id}/json` || looks === 0) return undefined;
    looks -= 1;
    return { Id: id, State: { Status: 'removing', Dead: true }, Config: {}, HostConfig: {} };
  });
  await one.engine.removeContainer(id);
  expect(looks).toBe(0);
  expect(one.asked.filter(({ path }) => path.endsWith('/wait'))).toEqual([]);
});
