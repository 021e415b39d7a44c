import { expect, test, vi } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import { createProbes } from '../../../src/app/watch/probes.ts';
import type { Told } from '../../../src/app/watch/told.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { HealthFinding } from '../../../src/model/health.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { CallRecord } from '../../../src/model/trail/audit.ts';
import { eventually } from '../../support/eventually.ts';
import { project, server } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const never = new AbortController().signal;

/** A server whose spec has it asked each minute, an engine that counts who asks it, and the trail of its calls. */
function world(whenAsked: () => unknown = () => expect.fail('the engine was asked')) {
  let nowMs = 0;
  let asked = 0;
  const calls: Pick<CallRecord, 'time' | 'result' | 'engine' | 'container'>[] = [];
  const told: Told[] = [];
  const kept: string[][] = [];
  let isBroken = false;
  let tried: string | undefined;
  /** Pods that serve alike, and the one to which no session can be had. */
  let several: readonly string[] = [];
  let broken = '';
  const sessionsIn: string[] = [];
  let isAsleep = false;
  let answers = false;
  let inspected = 0;
  let engineHealth: 'healthy' | 'unhealthy' = 'healthy';
  let event: string | undefined = 'begun';
  let start = Date.parse('2026-11-29T00:00:00.000Z');
  const ports = {
    monotonicMs: () => nowMs,
    now: () => start + nowMs,
    orchestrator: async () => ({
      describe: async () => ({ id: 'here' }),
      serving: async (_: unknown, __: unknown, { after = '' }: { readonly after?: string } = {}) => {
        const pod = several[(several.indexOf(after) + 1) % several.length];
        if (pod !== undefined) {
          return { container: pod, containerName: `pod ${pod}`, spec: server('fs').spec, beside: [{}] };
        }
        if (isAsleep) throw new LoomsError('server-asleep', 'fs is asleep');
        if (tried !== undefined) return { container: tried, spec: server('fs').spec };
        throw new LoomsError('server-not-running', 'fs does not run');
      },
      servers: async (_: unknown, { names }: { readonly names?: readonly string[] } = {}) => {
        // All are looked at once more where the one that is asked for is not among them.
        if (names !== undefined) asked += 1;
        return whenAsked();
      },
      sessions: {
        containerRunning: async () => {
          inspected += 1;
          return { running: true, run: 'r1', engineHealth };
        },
        tailLog: async () => [],
      },
    }),
    openSession:
      async () =>
      async ({ container }: { readonly container: string }) => {
        sessionsIn.push(container);
        if (container === broken) throw new LoomsError('handshake-timeout', 'it said nothing');
        if (!answers) throw new LoomsError('server-exited', 'it ended');
        const listTools = async () => ({ tools: [{ name: 'a' }] });
        return {
          listTools,
          server: { name: 'fs', version: '1' },
          protocolVersion: '2025-11-25',
          close: async () => {},
        };
      },
    recordHealth: async (_: unknown, findings: readonly HealthFinding[]) => {
      if (isBroken) return { recorded: false, why: 'the disk is full' };
      kept.push(findings.map(({ server: name, verdict, checkedAt = 0 }) => `${name} ${verdict} ${checkedAt - start}`));
      return { recorded: true };
    },
    auditReader: {
      newest: async () => calls.length,
      async *calls({ backTo = '' }) {
        yield* calls.filter(({ time }) => time >= backTo).toReversed();
      },
    },
  } as unknown as Ports;
  const probes = createProbes(
    ports,
    project,
    (one) => void told.push(one),
    () => event,
  );
  probes.setServers([server('fs')]);
  probes.settled(fs, true);
  return {
    probes,
    told,
    kept,
    breakLedger: (broken: boolean) => {
      isBroken = broken;
    },
    /** From now on a container serves, to which no session can be had. */
    tries: (container: string) => {
      tried = container;
    },
    /** From now on one serves that answers. */
    answersIn: (container: string) => {
      tried = container;
      answers = true;
    },
    /** From now on these serve alike, and all but one answer. */
    servesIn: (pods: readonly string[], failing: string) => {
      several = pods;
      broken = failing;
      answers = true;
      probes.setServers([server('fs', { replicas: pods.length })]);
    },
    sessionsIn,
    sleeps: (now: boolean) => {
      isAsleep = now;
    },
    inspected: () => inspected,
    /** What the engine tells of the server, and what the check of its image says by then. */
    hears: (id: string | undefined, health: 'healthy' | 'unhealthy') => {
      event = id;
      engineHealth = health;
    },
    asked: () => asked,
    now: () => nowMs,
    pass: (seconds: number) => {
      nowMs += seconds * 1000;
    },
    setBack: (seconds: number) => {
      start -= seconds * 1000;
    },
    call: (result: NonNullable<CallRecord['result']>, engine = 'here') =>
      void calls.push({ time: new Date(start + nowMs).toISOString(), result, engine, container: 'c1' }),
  };
}

test('a server that answered a real call meanwhile is not asked: its next turn is an interval after that call', async () => {
  const { probes, asked, pass, call, told } = world();
  expect(probes.nextAt()).toBe(60_000);
  pass(50);
  call('ok');
  pass(10);
  expect(await probes.round(never)).toBe(false);
  expect(asked()).toBe(0);
  expect(probes.nextAt()).toBe(110_000);
  expect(probes.stateOf(fs)).toEqual({ state: 'healthy' });
  expect(told).toEqual([]);
  // The same call says it once.
  pass(50);
  await expect(probes.round(never)).rejects.toThrow('the engine was asked');
  expect(asked()).toBe(1);
});

test('a call that was made before the clock was set back says nothing of now', async () => {
  const { probes, asked, pass, call, setBack } = world();
  pass(50);
  call('ok');
  setBack(30 * 86_400);
  pass(10);
  await expect(probes.round(never)).rejects.toThrow('the engine was asked');
  expect(asked()).toBe(1);
});

test('a call that no server answered says nothing about it', async () => {
  const { probes, asked, pass, call } = world();
  pass(10);
  call('timeout');
  call('refused');
  call('ok', 'another engine');
  pass(50);
  await expect(probes.round(never)).rejects.toThrow();
  expect(asked()).toBe(1);
});

test('a server that answers nothing holds up no other, and is not asked twice at once', async () => {
  const { promise, resolve } = Promise.withResolvers<object>();
  const answers: unknown[] = [promise];
  const { probes, asked, pass } = world(() => answers.shift() ?? { servers: [], now: 0 });
  probes.setServers([server('fs'), server('web')]);
  probes.settled(asServerName('web'), true);
  pass(60);
  const heard: boolean[] = [];
  const hear = (isNews: boolean) => void heard.push(isNews);
  const first = probes.round(never, hear);
  await eventually(async () => expect(heard).toEqual([false]));
  expect(asked()).toBe(2);
  expect(probes.nextAt()).toBe(120_000);
  pass(60);
  expect(await probes.round(never, hear)).toBe(false);
  expect(asked()).toBe(3);
  resolve({ servers: [], now: 0 });
  expect(await first).toBe(false);
  expect(heard).toHaveLength(3);
});

test('a server that is changed is not asked, and what it answers meanwhile says nothing of it', async () => {
  const { promise, resolve } = Promise.withResolvers<object>();
  const { probes, asked, pass } = world(() => promise);
  pass(60);
  const round = probes.round(never);
  probes.changing([fs]);
  probes.settled(fs, true);
  resolve({ servers: [], now: 0 });
  await round;
  expect(probes.stateOf(fs)).toEqual({ state: 'healthy' });
  expect(probes.nextAt()).toBe(Number.POSITIVE_INFINITY);
  pass(60);
  await probes.round(never);
  expect(asked()).toBe(1);
  probes.changing([]);
  expect(probes.nextAt()).toBe(120_000);
});

test('what keeps servers from being asked is not tried again at once', async () => {
  const { probes, pass } = world(() => {
    throw new LoomsError('engine-unreachable', 'away');
  });
  pass(60);
  await expect(probes.round(never)).rejects.toMatchObject({ code: 'engine-unreachable' });
  expect(probes.nextAt()).toBe(65_000);
});

test('of a server that is not there nothing is known: making it is the plan’s', async () => {
  const { probes, asked, pass, told } = world(() => ({ servers: [], now: 0 }));
  pass(60);
  expect(await probes.round(never)).toBe(false);
  expect(asked()).toBe(1);
  expect(probes.stateOf(fs)).toEqual({ state: 'unknown' });
  expect(probes.nextAt()).toBe(120_000);
  expect(told).toEqual([]);
});

test('why a probe failed is not told of a server that has answered a call since', async () => {
  const paused = { name: fs, project, status: { status: 'running', paused: true } };
  const { probes, pass, call } = world(() => ({ servers: [paused], engine: { cpus: 1 }, notices: [], now: 0 }));
  pass(60);
  await probes.round(never);
  expect(probes.stateOf(fs)).toMatchObject({ state: 'failing', probe: { failure: 'server fs is paused' } });
  pass(1);
  call('ok');
  pass(9);
  await probes.round(never);
  expect(probes.stateOf(fs)?.state).toBe('healthy');
  expect(probes.stateOf(fs)).not.toHaveProperty('probe');
});

/** Servers of which each is paused from the moment that it is said to be, and how long they take to say so. */
function fleet(count: number) {
  const names = Array.from({ length: count }, (_, index) => asServerName(`s${index}`));
  const stuck = new Set<string>();
  const view = (name: string) => ({
    name,
    project,
    container: `c ${name}`,
    status: { status: 'running', paused: stuck.has(name) },
  });
  const listing = () => ({ servers: names.map(view), engine: { cpus: 1 }, notices: [], now: 0 });
  const one = world(listing);
  one.probes.setServers(names.map((name) => server(name)));
  for (const name of names) one.probes.settled(name, true);
  const nobody = async () => false;
  const ask = async (): Promise<void> => {
    const asked = [...stuck].map((name) => asServerName(name));
    // Only what is stuck is asked: these worlds have no engine that answers.
    one.probes.changing(names.filter((name) => !stuck.has(name)));
    for (const _ of asked) await one.probes.round(never);
    one.probes.changing([]);
  };
  return {
    ...one,
    names,
    /** Goes down, by three probes. */
    async fail(...which: readonly number[]) {
      for (const index of which) stuck.add(`s${index}`);
      for (const seconds of [60, 5, 10]) {
        one.pass(seconds);
        await ask();
      }
    },
    replaced: async (waiting: readonly number[] = []) =>
      [
        ...(await one.probes.toReplace(
          waiting.length === 0 ? nobody : async ({ spec: { name } }) => waiting.some((index) => name === `s${index}`),
        )),
      ].map(([name]) => name),
  };
}

test('a server whose replacement failed is still down, and why; one whose replacement answered is not', async () => {
  const { probes, fail, names, now } = fleet(1);
  await fail(0);
  const [s0 = fs] = names;
  const why = new Map([[s0, { container: 'c s0', why: 'did not answer 3 times: server s0 is paused' }]]);
  expect(await probes.toReplace(async () => false)).toEqual(why);
  probes.settled(s0, false);
  expect(probes.stateOf(s0)?.state).toBe('down');
  // It may have come to itself meanwhile: it is asked before the back-off has it replaced once more.
  expect(probes.nextAt()).toBe(now());
  expect(await probes.toReplace(async () => false)).toEqual(why);
  probes.settled(s0, true);
  expect(probes.stateOf(s0)?.state).toBe('healthy');
  expect(await probes.toReplace(async () => false)).toEqual(new Map());
});

test('a server that was well and whose replacement failed start-first is still well, and is asked at once', () => {
  const { probes, pass, now } = world();
  pass(10);
  probes.settled(fs, false);
  expect(probes.stateOf(fs)).toEqual({ state: 'healthy' });
  expect(probes.nextAt()).toBe(now());
});

test('of many servers that are down four are repaired, and those that wait for their next repair keep none from it', async () => {
  const { fail, replaced } = fleet(20);
  await fail(0, 1, 2, 3, 4, 5);
  expect(await replaced()).toEqual(['s0', 's1', 's2', 's3']);
  // Those that wait are told of as well: what leaves them alone is said of them in the plan.
  expect(await replaced([0, 1, 2, 3])).toEqual(['s0', 's1', 's2', 's3', 's4', 's5']);
  expect(await replaced([1])).toEqual(['s0', 's1', 's2', 's3', 's4']);
});

test('five and half of all that go down within a minute have one cause: one is repaired first, then the rest', async () => {
  const { probes, fail, replaced, names } = fleet(10);
  await fail(0, 1, 2, 3, 4);
  expect(await replaced()).toEqual(['s0']);
  expect(await replaced([0])).toEqual(['s0', 's1']);
  probes.settled(names[0] ?? fs, true);
  expect(await replaced()).toEqual(['s1', 's2', 's3', 's4']);
});

test('one that has been down for long hides no cause that others have in common', async () => {
  const { fail, pass, replaced } = fleet(10);
  await fail(9);
  pass(3_600);
  await fail(0, 1, 2, 3, 4);
  expect(await replaced([9])).toEqual(['s0', 's9']);
});

test('fewer than five, or fewer than half, are repaired side by side', async () => {
  const few = fleet(4);
  await few.fail(0, 1, 2, 3);
  expect(await few.replaced()).toHaveLength(4);
  const many = fleet(11);
  await many.fail(0, 1, 2, 3, 4);
  expect(await many.replaced()).toHaveLength(4);
});

test('what is news is kept at once; that it is still so is kept with what else was found within half a minute, or at the end', async () => {
  vi.useFakeTimers();
  try {
    const { fail, kept, pass, probes } = fleet(2);
    await fail(0);
    expect(kept).toEqual([['s0 unhealthy 60000']]);
    // The second and third failure are no news.
    await vi.advanceTimersByTimeAsync(30_000);
    expect(kept.slice(1)).toEqual([['s0 unhealthy 75000']]);
    probes.changing([asServerName('s1')]);
    pass(60);
    await probes.round(never);
    expect(kept).toHaveLength(2);
    await probes.keep();
    expect(kept.slice(2)).toEqual([['s0 unhealthy 135000']]);
    await probes.keep();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(kept).toHaveLength(3);
  } finally {
    vi.useRealTimers();
  }
});

test('what could not be kept is kept later', async () => {
  vi.useFakeTimers();
  try {
    const { fail, kept, breakLedger } = fleet(1);
    breakLedger(true);
    await fail(0);
    expect(kept).toEqual([]);
    breakLedger(false);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(kept).toEqual([['s0 unhealthy 75000']]);
  } finally {
    vi.useRealTimers();
  }
});

test('that a server which had failed answers calls is kept, for the container and the run that did', async () => {
  const paused = { name: fs, project, container: 'c1', run: 'r1', status: { status: 'running', paused: true } };
  const { probes, pass, call, kept } = world(() => ({ servers: [paused], engine: { cpus: 1 }, notices: [], now: 0 }));
  pass(60);
  await probes.round(never);
  pass(1);
  call('ok');
  pass(9);
  await probes.round(never);
  expect(kept).toEqual([['fs unhealthy 60000'], ['fs healthy 61000']]);
});

test('what was found of one that was replaced meanwhile says nothing of what serves now', async () => {
  const status = { status: 'running', paused: true };
  const next = { name: fs, project, container: 'c2', run: 'r2', status, instances: [] };
  const { probes, pass, kept, told, tries } = world(() => ({
    servers: [next],
    engine: { cpus: 1 },
    notices: [],
    now: 0,
  }));
  tries('c1');
  pass(60);
  expect(await probes.round(never)).toBe(false);
  expect([kept, told]).toEqual([[], []]);
});

test('one that answers costs no look at all servers, and one at its container after each word of the engine', async () => {
  const made = { name: fs, project, container: 'c1', run: 'r1', status: { status: 'running', paused: false } };
  const failing = { ...made, instances: [{ container: 'c1', run: 'r1', engineHealth: 'unhealthy' }] };
  const one = world(() => ({ servers: [failing], engine: { cpus: 1 }, notices: [], now: 0 }));
  const { probes, pass, asked, inspected, kept, answersIn, hears } = one;
  answersIn('c1');
  for (const _ of [1, 2]) {
    pass(60);
    expect(await probes.round(never)).toBe(false);
  }
  expect([asked(), inspected()]).toEqual([0, 1]);
  expect(probes.stateOf(fs)).toMatchObject({ state: 'healthy', probe: { failure: null } });
  answersIn('c2');
  pass(60);
  await probes.round(never);
  expect([asked(), inspected()]).toEqual([0, 2]);
  // While the engine is not heard, each probe looks.
  hears(undefined, 'healthy');
  for (const _ of [1, 2]) {
    pass(60);
    await probes.round(never);
  }
  expect([asked(), inspected()]).toEqual([0, 4]);
  answersIn('c1');
  hears('unhealthy now', 'unhealthy');
  pass(60);
  await probes.round(never);
  expect(probes.stateOf(fs)).toMatchObject({
    state: 'failing',
    probe: { failure: 'server fs answers MCP, but the HEALTHCHECK of its image fails' },
  });
  expect(kept.map(([text]) => text?.split(' ')[1])).toEqual(['healthy', 'healthy', 'unhealthy']);
});

test('one that is asleep is not woken to be asked, and is neither failing nor well by that', async () => {
  const view = { name: fs, project, container: 'd', run: '', state: 'asleep', status: { status: 'created' } };
  const { probes, pass, told, kept, sleeps, answersIn } = world(() => ({
    servers: [{ ...view, instances: [] }],
    engine: { cpus: 1 },
    notices: [],
    now: 0,
  }));
  sleeps(true);
  for (let turn = 0; turn < 4; turn += 1) {
    pass(60);
    expect(await probes.round(never)).toBe(false);
  }
  expect([told, kept, probes.stateOf(fs)]).toEqual([[], [], { state: 'asleep' }]);
  expect((await probes.toReplace(async () => false)).size).toBe(0);
  sleeps(false);
  answersIn('c1');
  pass(60);
  await probes.round(never);
  expect(probes.stateOf(fs)?.state).toBe('healthy');
});

test('of several that serve alike each is asked in turn, whatever the others answer; one that fails until it is down', async () => {
  const seen = { name: fs, project, run: 'r1', generation: 1, status: { status: 'running', paused: false } };
  const view = { ...seen, container: 'a', instances: [{ container: 'b', generation: 1 }] };
  const { probes, pass, call, servesIn, sessionsIn } = world(() => ({
    servers: [view],
    engine: { cpus: 1 },
    notices: [],
    now: 0,
  }));
  servesIn(['a', 'b', 'c'], '');
  for (const _ of [1, 2, 3, 4]) {
    pass(60);
    call('ok');
    await probes.round(never);
  }
  expect(sessionsIn).toEqual(['a', 'b', 'c', 'a']);
  servesIn(['a', 'b', 'c'], 'b');
  for (const _ of [1, 2, 3]) {
    pass(60);
    call('ok');
    await probes.round(never);
  }
  expect(sessionsIn.slice(4)).toEqual(['b', 'b', 'b']);
  expect(await probes.toReplace(async () => false)).toEqual(
    new Map([[fs, { container: 'b', why: 'pod b did not answer 3 times: it said nothing' }]]),
  );
});
