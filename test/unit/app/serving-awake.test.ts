import { expect, test } from 'vitest';
import { servingAwake } from '../../../src/app/talk/serving-awake.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { Serving } from '../../../src/model/server-view.ts';
import { project } from '../../support/planner-world.ts';

const server = asServerName('fs');

/** A server that serves once it was woken so often; a session is opened to it. The first `lost` times it does not come to wake. */
async function opened(wakesAfter: number, { failure, lost = 0 }: { failure?: LoomsError; lost?: number } = {}) {
  const did: string[] = [];
  let woken = 0;
  const serving = async (): Promise<Serving> => {
    if (failure !== undefined) throw failure;
    if (woken < wakesAfter) throw new LoomsError('server-asleep', 'fs is asleep');
    return { containerName: 'pod' } as Serving;
  };
  const wake = async (): Promise<void> => {
    woken += 1;
    did.push('wake');
    if (woken <= lost) throw new LoomsError('server-asleep', 'fs was put to sleep again');
  };
  const onWaking = (): void => void did.push('tell');
  const found = await servingAwake({ serving, wake }, { project, server }, { onWaking }).then(
    ({ containerName }) => containerName,
    (error: LoomsError) => error.code,
  );
  return [...did, found];
}

test('a server that is awake is not woken; one that is asleep is, and told of once', async () => {
  expect(await opened(0)).toEqual(['pod']);
  expect(await opened(1)).toEqual(['tell', 'wake', 'pod']);
  expect(await opened(2)).toEqual(['tell', 'wake', 'wake', 'pod']);
  expect(await opened(2, { lost: 1 })).toEqual(['tell', 'wake', 'wake', 'pod']);
});

test('one that falls asleep again and again is given up, and one that was stopped is left so', async () => {
  expect(await opened(9)).toEqual(['tell', 'wake', 'wake', 'wake', 'server-asleep']);
  expect(await opened(1, { lost: 9 })).toEqual(['tell', 'wake', 'wake', 'wake', 'server-asleep']);
  const failure = new LoomsError('server-not-running', 'fs is stopped');
  expect(await opened(0, { failure })).toEqual(['server-not-running']);
});
