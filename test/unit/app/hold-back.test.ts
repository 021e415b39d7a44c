import { describe, expect, test } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import type { BackOff } from '../../../src/app/watch/back-off.ts';
import { declaredAs, heldBack, requireNoneHeld, stoppedElsewhere } from '../../../src/app/watch/hold-back.ts';
import type { LeftAlone } from '../../../src/app/watch/told.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { Reason } from '../../../src/model/plan.ts';
import type { ChangeRecord } from '../../../src/model/trail/audit.ts';
import type { Prepared } from '../../../src/orchestrator/port.ts';
import { server } from '../../support/planner-world.ts';

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
  const plan = { project: 'p', engine: { id: 'e1' }, changes: [{ server: fs, action: 'start' }] };
  const prepared = { plan, servers: [], untrusted: [], gated: new Set() } as unknown as Prepared;
  const backOff = { repaired: async () => 0, waiting: async () => undefined };
  return { prepared, options: { ports, backOff, servers: [], mayRotate: true } };
}

async function held(records: readonly Partial<ChangeRecord>[]): Promise<LeftAlone | undefined> {
  const { prepared, options } = start(records);
  return (await heldBack(prepared, options)).get(fs);
}
const whyHeld = async (records: readonly Partial<ChangeRecord>[]) => (await held(records))?.why;

describe('a server that does not run is left alone', () => {
  test('where the last thing that looms did with it is a stop by hand', async () => {
    expect(await whyHeld([record()])).toBe('stopped-by-person');

    const { result: _, outcomes: __, ...underWay } = record();
    expect(await whyHeld([underWay])).toBe('stopped-by-person');

    const cleared = record({ command: 'looms watch', servers: [{ server: fs, action: 'clean-up' }] });
    expect(await whyHeld([cleared, record()])).toBe('stopped-by-person');

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

describe('a stop by hand counts by whatever name its engine had', () => {
  const asSeveral = async (records: readonly Partial<ChangeRecord>[], away: Readonly<Record<string, string>> = {}) => {
    const { prepared, options } = start(records);
    const engine = { kind: 'several', id: 'several' };
    const describe = async () => ({ ...engine, engines: { a: { id: 'a-id' }, gpu: { id: 'gpu-id' } }, away });
    const ports = { ...options.ports, orchestrator: async () => ({ describe }) } as unknown as Ports;
    const plan = { ...prepared.plan, engine } as unknown as Prepared['plan'];
    return (await heldBack({ ...prepared, plan }, { ...options, ports })).get(fs)?.why;
  };
  const begun = (engine: string) => record({ command: 'looms mcp start', engine });

  test('among several, where it was made on one of them alone', async () => {
    expect(await asSeveral([record({ engine: 'gpu-id' })])).toBe('stopped-by-person');
    expect(await asSeveral([record({ engine: 'e1' })])).toBeUndefined();
    expect(await asSeveral([begun('gpu-id'), record({ engine: 'several' })])).toBeUndefined();
  });

  test('and of one that may be the engine that does not answer, but no start of such a one', async () => {
    const away = { office: 'nothing listens' };
    expect(await asSeveral([record({ engine: 'e1' })], away)).toBe('stopped-by-person');
    expect(await asSeveral([begun('e1'), record({ engine: 'several' })], away)).toBe('stopped-by-person');
  });

  test('and on one engine, where it was made on several', async () => {
    expect(await whyHeld([record({ engine: 'several' })])).toBe('stopped-by-person');
    expect(await whyHeld([begun('several'), record()])).toBeUndefined();
  });
});

test('what a person said is told of a server, whatever else keeps it from being started', async () => {
  const { prepared, options } = start([record()]);
  const needy = server('fs', {
    mcp: { env: { TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: 'of_fs' }] } } },
  });
  const ports = { ...options.ports, secrets: async () => ({ found: false, tried: [] }) } as unknown as Ports;
  const waiting = async () => ({ hash: '', until: 0, repairs: 1, forMs: 1_000, why: 'it fails' });
  const gated = new Set([fs]);
  const backOff = { ...options.backOff, waiting };
  const asked = { ...prepared, servers: [needy], gated };
  for (const one of [options.backOff, backOff]) {
    expect((await heldBack(asked, { ...options, ports, backOff: one })).get(fs)?.why).toBe('stopped-by-person');
  }
});

test('a plan to start a server that a person stopped while the lock was waited for is not carried out', async () => {
  const records: Partial<ChangeRecord>[] = [];
  const { prepared, options } = start(records);
  await requireNoneHeld(prepared, options);
  const { result: _, outcomes: __, ...underWay } = record();
  records.push(underWay);
  await expect(requireNoneHeld(prepared, options)).rejects.toMatchObject({
    code: 'plan-stale',
    message: 'fs is to be left alone by now',
  });
});

test('of what a person stopped and another engine has, too, that one is left to be cleared away, until that fails', async () => {
  const left: LeftAlone = { why: 'stopped-by-person', user: 'ada', time: '' };
  const moved = { kind: 'moved', from: 'a', to: 'b' } as const;
  const plan = (reasons: readonly Reason[]) =>
    ({ changes: [{ server: fs, action: 'start', reasons }] }) as unknown as Prepared['plan'];
  const found = async (
    reasons: readonly Reason[],
    why: LeftAlone = left,
    waiting: BackOff['waiting'] = async () => undefined,
  ) => {
    const backOff = { repaired: async () => 0, waiting };
    const all = await stoppedElsewhere(plan(reasons), new Map([[fs, why]]), { backOff, servers: [server('fs')] });
    return [...all].map(([name, { spec }]) => [name, spec.enabled]);
  };
  const exited = { kind: 'exited', exitCode: 0, outOfMemory: false } as const;
  expect(await found([exited, moved])).toEqual([[fs, false]]);
  expect(await found([exited])).toEqual([]);
  expect(await found([exited, moved], { why: 'rotation-turn' })).toEqual([]);
  const hash = declaredAs(server('fs', { enabled: false }));
  const waiting: BackOff['waiting'] = async (_, of) =>
    of === hash ? { hash, repairs: 1, until: 0, forMs: 1_000, why: 'it fails' } : undefined;
  expect(await found([exited, moved], left, waiting)).toEqual([]);
});

test('nor is one that would stop what was planned as stopped, and is started by then', async () => {
  const { prepared, options } = start([]);
  const plan = { ...prepared.plan, changes: [{ server: fs, action: 'stop' }] } as unknown as Prepared['plan'];
  const again = { ...prepared, plan };
  await requireNoneHeld(again, { ...options, servers: [server('fs', { enabled: false })] });
  const running = requireNoneHeld(again, { ...options, servers: [server('fs')] });
  await expect(running).rejects.toMatchObject({ code: 'plan-stale' });
});

describe('of what a plan would change', () => {
  /** A plan of these changes, made by this look at the store of secrets. */
  function changing(
    changes: readonly object[],
    secrets: Ports['secrets'] = async () => ({ found: false, tried: [] }),
    withSecrets: readonly string[] = ['fs'],
  ) {
    const needy = (name: string) =>
      server(name, {
        mcp: { env: { TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: `of_${name}` }] } } },
      });
    const servers = ['fs', 'web'].map((name) => (withSecrets.includes(name) ? needy(name) : server(name)));
    const ports = { secrets, auditReader: { async *changes() {} } } as unknown as Ports;
    const gated = new Set(servers.map(({ spec }) => spec.name));
    const plan = { project: 'p', engine: { id: 'e1' }, changes };
    const backOff = { repaired: async () => 0, waiting: async () => undefined };
    const prepared = { plan, servers, untrusted: [], gated } as unknown as Prepared;
    return (mayRotate: boolean) => heldBack(prepared, { ports, backOff, servers, mayRotate });
  }
  const rotation = { action: 'replace', reasons: [{ kind: 'rotation-due', by: 'age', detail: '' }] };

  test('a server whose secret is missing, or cannot be looked up, is left alone, and no other is', async () => {
    const both = [
      { server: fs, action: 'create' },
      { server: asServerName('web'), action: 'create' },
    ];
    expect(await changing(both)(true)).toEqual(
      new Map([[fs, { why: 'without-secrets', failure: expect.objectContaining({ code: 'secret-missing' }) }]]),
    );
    const away = changing(both, async () => {
      throw new LoomsError('secret-source-failed', 'the store is away');
    });
    expect([...(await away(true)).keys()]).toEqual([fs]);
  });

  test('the secrets of many servers are looked up beside each other', async () => {
    const both = ['fs', 'web'].map((name) => ({ server: asServerName(name), action: 'create' }));
    const asked: string[] = [];
    const { promise: bothAsked, resolve } = Promise.withResolvers<void>();
    const store: Ports['secrets'] = async ({ name }) => {
      if (asked.push(name) === 2) resolve();
      await bothAsked;
      throw new LoomsError('secret-source-failed', 'the store is away');
    };
    expect([...(await changing(both, store, ['fs', 'web'])(true)).keys()]).toEqual(['fs', 'web']);
  });

  test('one rotates now and the others when it is their turn; what is changed for another reason waits for none', async () => {
    const names = ['web', 'db', 'log'].map((name) => asServerName(name));
    const held = changing([
      ...names.map((name) => ({ server: name, ...rotation })),
      { server: asServerName('api'), action: 'replace', reasons: [...rotation.reasons, { kind: 'live-drift' }] },
    ]);
    expect([...(await held(true)).keys()]).toEqual(['db', 'log']);
    expect([...(await held(false)).keys()]).toEqual(names);
  });
});
