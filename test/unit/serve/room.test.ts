import { describe, expect, test } from 'vitest';
import { asServerName } from '../../../src/model/ids.ts';
import type { Leg } from '../../../src/serve/leg/leg.ts';
import { createRoomMaker } from '../../../src/serve/sessions/room.ts';

const fs = asServerName('fs');

/** Conversations by name, which say when they are parked; `end` lets the processes that were go. */
function world() {
  const parked: string[] = [];
  const ends: (() => void)[] = [];
  const ended = (name: string): Promise<void> => {
    parked.push(name);
    return new Promise((resolve) => ends.push(resolve));
  };
  const one = (name: string, idleMs: number, more: { isHeard?: boolean; isBusy?: boolean; server?: string } = {}) => ({
    isHeard: more.isHeard === true,
    leg: {
      server: asServerName(more.server ?? 'fs'),
      idleMs: () => idleMs,
      park: () => (more.isBusy === true ? undefined : ended(name)),
    } as unknown as Leg,
  });
  const end = async (): Promise<void> => {
    for (const each of ends.splice(0)) each();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { parked, ended, one, end };
}

describe('room for one more process', () => {
  test('is made by what nobody uses, then by the longest unused whose client does not listen, then by the others', async () => {
    const { parked, ended, one, end } = world();
    let spare = 1;
    const all = [
      one('just used', 900),
      one('another server', 90_000, { server: 'db' }),
      one('busy', 80_000, { isBusy: true }),
      one('unheard', 5_000),
      one('longer unheard', 7_000),
      one('heard', 60_000, { isHeard: true }),
      one('heard, just used', 20_000, { isHeard: true }),
    ];
    const taken = new Set<string>();
    const makeRoom = createRoomMaker(
      () => (spare === 0 ? [] : [{ server: fs, endOldest: () => ended(`spare ${spare--}`) }]),
      () => all.filter((_, index) => !taken.has(String(index))),
    );
    const order: string[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      makeRoom(fs);
      await end();
      const last = parked.at(-1);
      if (parked.length > order.length && last !== undefined) order.push(last);
      for (const [index, name] of ['', '', '', 'unheard', 'longer unheard', 'heard'].entries()) {
        if (name !== '' && parked.includes(name)) taken.add(String(index));
      }
    }
    expect(order).toEqual(['spare 1', 'longer unheard', 'unheard', 'heard']);
  });

  test('is made by one at a time, as long as its process takes to end', async () => {
    const { parked, one, end } = world();
    const makeRoom = createRoomMaker(
      () => [],
      () => [one('first', 9_000), one('second', 8_000)].slice(parked.length),
    );
    makeRoom(fs);
    makeRoom(fs);
    expect(parked).toEqual(['first']);
    await end();
    makeRoom(fs);
    expect(parked).toEqual(['first', 'second']);
  });
});
