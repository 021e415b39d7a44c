import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBackOff } from '../../../src/app/watch/back-off.ts';
import { followRemote, remotePauseMs } from '../../../src/app/watch/follow-remote.ts';
import { createWake } from '../../../src/app/watch/wake.ts';
import type { Findings } from '../../../src/model/trail/findings.ts';
import { forAllAsync } from '../../support/properties.ts';

/** A clock that goes on when somebody waits, with what is to happen at which moment of it, ms. */
function clockOf(plans: readonly (readonly [at: number, what: () => void])[] = []) {
  let now = 0;
  const left = [...plans].sort(([a], [b]) => a - b);
  return {
    monotonicMs: () => now,
    async pause(milliseconds: number, signal?: AbortSignal) {
      const until = now + milliseconds;
      while (signal?.aborted !== true) {
        const [next] = left;
        if (next === undefined || next[0] > until) break;
        left.shift();
        now = Math.max(now, next[0]);
        next[1]();
      }
      if (signal?.aborted !== true) now = until;
    },
  };
}

describe('what calls for a look', () => {
  const never = new AbortController().signal;

  test('a burst is one look, a moment after its last mark', async () => {
    const plans: (readonly [number, () => void])[] = [];
    const clock = clockOf(plans);
    const wake = createWake(clock);
    wake.mark('files');
    expect(await wake.next(never)).toEqual(['files']);
    expect(clock.monotonicMs()).toBe(300);
  });

  test('marks that do not end are looked at after five seconds', async () => {
    const marks = Array.from({ length: 100 }, (_, index) => [index * 200, () => wake.mark('engine')] as const);
    const clock = clockOf(marks);
    const wake = createWake(clock);
    expect(await wake.next(never)).toEqual(['engine']);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(5_000);
    expect(clock.monotonicMs()).toBeLessThanOrEqual(5_200);
  });

  test('a moment of the clock marks by itself, and the earliest counts', async () => {
    const clock = clockOf();
    const wake = createWake(clock);
    wake.markAt('timer', 60_000);
    wake.markAt('timer', 90_000);
    wake.markAt('probe', 20_000);
    expect(await wake.next(never)).toEqual(['probe']);
    expect(await wake.next(never)).toEqual(['timer']);
    expect(clock.monotonicMs()).toBe(60_300);
  });

  test('an end of the loop ends the wait with nothing', async () => {
    const ending = new AbortController();
    const clock = clockOf([[500, () => ending.abort()]]);
    expect(await createWake(clock).next(ending.signal)).toEqual([]);
  });
});

describe('repairs that do not last', () => {
  function world(kept = new Map<string, string>()) {
    let now = 1_000_000;
    const memory: Findings = {
      recall: async (key) => kept.get(key),
      remember: async (key, found) => void kept.set(key, found),
    };
    const make = (random = 0.5) => createBackOff('p', { memory, now: () => now, random: () => random });
    return { kept, make, pass: (milliseconds: number) => (now += milliseconds) };
  }

  test('are apart by a doubling time of at most five minutes; one that succeeds first is followed at once', async () => {
    const { make, pass } = world();
    const backOff = make();
    const waits: number[] = [];
    for (let turn = 0; turn < 10; turn += 1) {
      const wait = await backOff.repaired('fs', 'a', { ok: false, why: 'it fails' });
      waits.push(wait / 1000);
      expect((await backOff.waiting('fs', 'a'))?.forMs).toBe(wait);
      pass(wait);
      expect(await backOff.waiting('fs', 'a')).toBeUndefined();
    }
    expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    expect(await backOff.repaired('web', 'a', { ok: true, why: '' })).toBe(0);
    expect(await backOff.repaired('web', 'a', { ok: true, why: '' })).toBe(2_000);
  });

  test('another spec begins anew, and so does a quiet time', async () => {
    const { make, pass } = world();
    const backOff = make();
    for (let turn = 0; turn < 5; turn += 1) await backOff.repaired('fs', 'a', { ok: false, why: '' });
    expect(await backOff.waiting('fs', 'b')).toBeUndefined();
    expect(await backOff.repaired('fs', 'b', { ok: false, why: '' })).toBe(2_000);
    pass(2_000 + 600_000);
    expect(await backOff.repaired('fs', 'b', { ok: false, why: '' })).toBe(2_000);
  });

  test('the next loop on this machine waits as well, and a clock that was set back ends the wait', async () => {
    const { make, pass } = world();
    for (let turn = 0; turn < 3; turn += 1) await make().repaired('fs', 'a', { ok: false, why: 'x' });
    expect(await make().waiting('fs', 'a')).toMatchObject({ repairs: 3, forMs: 8_000, why: 'x' });
    pass(-100_000_000);
    expect(await make().waiting('fs', 'a')).toBeUndefined();
    // What was tried counts all the same.
    expect(await make().repaired('fs', 'a', { ok: false, why: 'x' })).toBe(16_000);
    expect(await make().waiting('fs', 'a')).toMatchObject({ repairs: 4, forMs: 16_000 });
  });

  test('what is kept is a claim: whatever stands there, no wait is longer than any', async () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.integer({ min: 1, max: 400_000 }));
    const kept = fc
      .record({
        hash: fc.constantFrom('a', 'b', 7),
        repairs: number,
        until: fc.oneof(number, fc.integer({ min: 1_000_001, max: 1_400_000 })),
        why: fc.constantFrom('x', null),
      })
      .map((waiting) => JSON.stringify(waiting));
    // Else one run in some hundreds would meet no wait at all.
    const whole = fc
      .record({
        hash: fc.constant('a'),
        repairs: fc.integer({ min: 1, max: 20 }),
        until: fc.integer({ min: 1_000_001, max: 1_300_000 }),
        why: fc.constant('x'),
      })
      .map((waiting) => JSON.stringify(waiting));
    await forAllAsync(
      fc.oneof(fc.string(), fc.json(), kept, whole),
      async (text, saw) => {
        const { make } = world(new Map([['watch p fs', text]]));
        const waiting = await make().waiting('fs', 'a');
        saw(waiting === undefined ? 'none' : 'a wait');
        expect(waiting?.forMs ?? 0).toBeLessThanOrEqual(375_000);
        expect(await make().repaired('fs', 'a', { ok: false, why: '' })).toBeLessThanOrEqual(375_000);
      },
      { runs: 400, cases: ['a wait', 'none'] },
    );
  });
});

describe('a repository that is followed', () => {
  test('is asked each interval, and later each time it fails: doubling up to ten minutes, a tenth left to chance', () => {
    const seconds = (failures: number, random = 0.5) => remotePauseMs(60_000, failures, random) / 1000;
    expect([0, 1, 2, 3, 4, 100].map((failures) => seconds(failures))).toEqual([60, 120, 240, 480, 600, 600]);
    expect([seconds(0, 0), seconds(0, 1)]).toEqual([54, 66]);
    expect(remotePauseMs(3_600_000, 5, 0.5)).toBe(3_600_000);
  });

  test('trouble is heard each time, and an answer after it begins anew', async () => {
    const ending = new AbortController();
    const looks = [new Error('away'), new Error('away'), true, false];
    const heard: string[] = [];
    const pauses: number[] = [];
    const announced: number[] = [];
    const remote = {
      held: () => undefined,
      async look() {
        const next = looks.shift() ?? false;
        if (typeof next === 'boolean') return next;
        throw next;
      },
    };
    const pause = async (milliseconds: number) => {
      pauses.push(Math.round(milliseconds / 1000));
      if (looks.length === 0) ending.abort();
    };
    await followRemote({ pause }, remote, {
      intervalMs: 1_000_000,
      signal: ending.signal,
      heard: {
        onChange: () => heard.push('change'),
        onWell: () => heard.push('well'),
        onTrouble: (error, nextInMs) => {
          heard.push(String(error));
          announced.push(Math.round(nextInMs / 1000));
        },
      },
    });
    expect(heard).toEqual(['Error: away', 'Error: away', 'well', 'change', 'well']);
    expect(pauses).toHaveLength(4);
    expect(announced).toEqual(pauses.slice(0, 2));
  });
});
