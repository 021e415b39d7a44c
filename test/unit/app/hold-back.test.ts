import { describe, expect, test } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import { heldBack, requireNoneHeld } from '../../../src/app/watch/hold-back.ts';
import type { LeftAlone } from '../../../src/app/watch/told.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { Plan } from '../../../src/model/plan.ts';
import type { ChangeRecord } from '../../../src/model/trail/audit.ts';

const fs = asServerName('fs');

/** What the trail says that was done with fs, newest first; by default a stop by hand that was done on this engine. */
const record = (more: Partial<ChangeRecord> = {}): Partial<ChangeRecord> => ({
  time: '2026-11-21T11:59:00.000Z',
  user: 'ada',
  command: 'looms mcp stop',
  engine: 'e1',
  servers: [{ server: fs, action: 'stop' }],
  result: 'done',
  outcomes: [{ server: fs, outcome: 'done' }],
  ...more,
});

/** The plan of a start of fs, and what decides whether fs is left alone. */
function start(records: readonly Partial<ChangeRecord>[]) {
  const ports = {
    now: () => Date.parse('2026-11-21T12:00:00.000Z'),
    auditReader: {
      changes: async function* () {
        yield* records;
      },
    },
  } as unknown as Ports;
  const plan = { project: 'p', engine: { id: 'e1' }, changes: [{ server: fs, action: 'start' }] } as unknown as Plan;
  const backOff = { repaired: async () => 0, waiting: async () => undefined };
  return { plan, options: { ports, backOff, servers: [], mayRotate: true } };
}

async function held(records: readonly Partial<ChangeRecord>[]): Promise<LeftAlone | undefined> {
  const { plan, options } = start(records);
  return (await heldBack(plan, options)).get(fs);
}
const whyHeld = async (records: readonly Partial<ChangeRecord>[]) => (await held(records))?.why;

describe('a server that does not run is left alone', () => {
  test('where the last thing that looms did with it is a stop by hand', async () => {
    expect(await whyHeld([record()])).toBe('stopped-by-person');

    const { result: _, outcomes: __, ...underWay } = record();
    expect(await whyHeld([underWay])).toBe('stopped-by-person');

    const web = record({ command: 'looms apply', servers: [{ server: asServerName('web'), action: 'create' }] });
    expect(await whyHeld([web, record()])).toBe('stopped-by-person');
  });

  test('also where something since then ended before its first step, as it got no lock', async () => {
    const { outcomes: _, ...begun } = record();
    const began = { ...begun, command: 'looms watch', servers: [{ server: fs, action: 'start' }] };
    for (const result of ['failed', 'interrupted'] as const) {
      expect(await whyHeld([{ ...began, result }, record()])).toBe('stopped-by-person');
      expect(await whyHeld([{ ...begun, result }])).toBeUndefined();
    }
  });

  test('and it is said who stopped it: by the page of a gateway, the one whose token it was', async () => {
    const { user } = record();
    expect(await held([record()])).toMatchObject({ user });
    expect(await held([record({ principal: 'local' })])).toMatchObject({ user });
    expect(await held([record({ principal: 'ci' })])).toMatchObject({ user: 'ci' });
  });

  test.each([
    ['the file stopped it', { command: 'looms watch' }],
    ['an apply of the file stopped it', { command: 'looms apply' }],
    ['the stop failed', { result: 'failed', outcomes: [{ server: fs, outcome: 'failed' }] }],
    [
      'another server was stopped, this one not',
      { result: 'partly', outcomes: [{ server: fs, outcome: 'interrupted' }] },
    ],
    ['nobody knows how the stop ended', { result: undefined, outcomes: undefined, time: '2026-11-21T10:00:00.000Z' }],
    ['a server of that name was stopped on another engine', { engine: 'e2' }],
    ['it was started since', { command: 'looms mcp start', servers: [{ server: fs, action: 'start' }] }],
  ] as const)('but not where %s', async (_, more) => {
    expect(await whyHeld([record(more as Partial<ChangeRecord>)])).toBeUndefined();
  });
});

test('a plan to start a server that a person stopped while the lock was waited for is not carried out', async () => {
  const records: Partial<ChangeRecord>[] = [];
  const { plan, options } = start(records);
  await requireNoneHeld(plan, options);
  const { result: _, outcomes: __, ...underWay } = record();
  records.push(underWay);
  await expect(requireNoneHeld(plan, options)).rejects.toMatchObject({
    code: 'plan-stale',
    message: 'fs is to be left alone by now',
  });
});
