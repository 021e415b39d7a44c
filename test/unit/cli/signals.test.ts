import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { EndingSignal } from '../../../src/cli/errors.ts';
import { listenForSignals } from '../../../src/cli/terminal/signals.ts';

/** Listens for signals that a test sends. */
function listening(graceMs: number) {
  let send = (_: EndingSignal): void => {};
  const told: string[] = [];
  const interruption = listenForSignals(graceMs, (which) => told.push(which), {
    onSignal: (hear) => {
      send = hear;
      return () => {};
    },
  });
  return { interruption, told, interrupt: () => send('SIGINT') };
}

test('what runs is given up when the grace has passed, and all of it ends at once with a second signal only', async () => {
  const { interruption, told, interrupt } = listening(0);
  const { stop, abort, atOnce } = interruption;
  interrupt();
  expect([stop.aborted, abort.aborted, atOnce.aborted]).toEqual([true, false, false]);
  await once(abort, 'abort');
  expect(atOnce.aborted).toBe(false);
  interrupt();
  interrupt();
  expect([atOnce.aborted, told]).toEqual([true, ['first', 'second']]);
  interruption.dispose();
});

test('a second signal before that does both', () => {
  const { interruption, interrupt } = listening(600_000);
  interrupt();
  interrupt();
  expect([interruption.abort.aborted, interruption.atOnce.aborted]).toEqual([true, true]);
  interruption.dispose();
});
