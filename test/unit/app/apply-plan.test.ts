import { describe, expect, it } from 'vitest';
import { applyWork } from '../../../src/app/apply/apply-plan.ts';
import { clearDeadLock } from '../../../src/app/apply/unlock-project.ts';
import { actOn } from '../../../src/app/page/act.ts';
import { planWork } from '../../../src/app/plan/plan-work.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Observed } from '../../../src/docker/model/observed.ts';
import type { Engine, LockHolder } from '../../../src/docker/port.ts';
import { localFiles } from '../../../src/files/local-files.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { AuditedChange, ChangeEnd } from '../../../src/model/trail/audit.ts';
import { noTracing } from '../../../src/model/trail/tracing.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, server } from '../../support/planner-world.ts';

const holder: LockHolder = {
  id: asContainerId('lock'),
  who: 'anna',
  host: 'there',
  pid: 7,
  command: 'looms apply',
  acquiredAt: 0,
  expiresAt: 60_000,
};

type World = {
  /** What each look at the engine finds, in order; the last one stays. */
  readonly looks: readonly Observed[];
  readonly acquire?: () => Awaited<ReturnType<Engine['acquireLock']>>;
  readonly release?: () => void;
  readonly alive?: boolean;
  readonly found?: NonNullable<Awaited<ReturnType<Engine['findLock']>>>;
};

/** Ports around an engine that answers from `world` and notes what it is asked to change. */
function portsOf(world: World): { ports: Ports; calls: string[] } {
  const calls: string[] = [];
  const looks = [...world.looks];
  const answers: Partial<Engine> = {
    observe: async () => (looks.length > 1 ? looks.shift() : looks[0]) ?? emptyEngine(),
    acquireLock: async () => world.acquire?.() ?? { result: 'acquired', lock: holder },
    checkLock: async () => undefined,
    findLock: async () => world.found ?? null,
    releaseLock: async () => {
      calls.push('releaseLock');
      world.release?.();
    },
    countSessions: async () => 0,
  };
  const engine = new Proxy({} as Engine, {
    get: (_, name) =>
      name === 'then'
        ? undefined
        : ((answers as Record<string, unknown>)[String(name)] ??
          (async () => {
            calls.push(String(name));
          })),
  });
  const ports: Omit<Ports, 'orchestrator'> = {
    tracing: async () => noTracing,
    atEnd: () => () => {},
    forgetSecrets: () => {},
    alerts: { readAlerts: async () => undefined, changeAlerts: async () => undefined },
    findings: { recall: async () => undefined, remember: async () => {} },
    keptLogs: {
      keptUntil: async () => 0,
      keep: async () => {},
      keepEvents: async () => {},
      keepAlertTurns: async () => {},
      alertTurns: async () => [],
      events: async () => [],
      containers: async () => [],
      lines: async function* () {},
    },
    engineAttempts: async () => [],
    trust: {
      keyName: async () => undefined,
      isAccepted: async () => false,
      accept: async () => {},
      acceptsAll: false,
      ask: async () => false,
    },
    secretPrints: { keyName: async () => undefined, print: async () => undefined },
    engineIsLocal: async () => true,
    engineAt: async () => undefined,
    openSession: async () => async () => {
      throw new LoomsError('session-failed', 'no sessions here');
    },
    warn: () => undefined,
    secrets: async () => ({ found: false, tried: ['environment (LOOMS_SECRET_DB is not set)', 'file store'] }),
    countExecutions: async () => new Map(),
    audit: {
      prepare: () => {},
      started: async () => ({ start: { written: true }, ended: async () => ({ written: true }) }),
      changing: async () => ({ start: { written: true }, ended: async () => ({ written: true }) }),
      refused: async () => ({ written: true }),
    },
    mask: (text) => text,
    auditReader: {
      calls: async function* () {},
      changes: async function* () {},
      countCalls: async () => 0,
      newest: async () => 0,
      verify: async () => ({ intact: true, records: 0 }),
    },
    readHealth: async () => new Map(),
    recordHealth: async () => ({ recorded: true }),
    files: localFiles({}, '/'),
    environment: {},
    workingDirectory: '/',
    readStdin: async () => '',
    pause: async () => undefined,
    managedBy: 'looms/0.0.0',
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    processIsAlive: () => world.alive ?? true,
    whoAmI: { user: 'ben', host: 'here', pid: 1, command: 'looms apply' },
  };
  return { ports: portsOn(engine, ports), calls };
}

const options = {
  lockTimeoutMs: 0,
  acceptNewPlan: () => false,
  stopSignal: new AbortController().signal,
  abortSignal: new AbortController().signal,
  atOnceSignal: new AbortController().signal,
  sink: () => undefined,
  onLockWait: () => undefined,
};

const a = asServerName('a');
const running = simulate(plan([server('a')], emptyEngine()), emptyEngine()).end;
const stopped: Observed = {
  ...running,
  containers: running.containers.map((one) => ({
    ...one,
    state: { status: 'exited', exitCode: 1, finishedAt: 1, oomKilled: false },
  })),
};
const request = {
  kind: 'files',
  project,
  servers: [server('a', { enabled: false })],
  recipes: new Map(),
  undesired: 'warn',
} as const;

describe('applying a plan', () => {
  it('takes no lock when there is nothing to do', async () => {
    const { ports, calls } = portsOf({ looks: [stopped] });
    const prepared = await planWork(ports, request, { policies: [] });
    expect(await applyWork(ports, prepared, options)).toMatchObject({ outcome: 'done', results: {} });
    expect(calls).toEqual([]);
  });

  it('refuses when the engine changed since the plan was confirmed, changes nothing, and gives the lock back', async () => {
    const { ports, calls } = portsOf({ looks: [running, stopped] });
    const prepared = await planWork(ports, request, { policies: [] });
    await expect(applyWork(ports, prepared, options)).rejects.toMatchObject({ code: 'plan-stale' });
    expect(calls).toEqual(['releaseLock']);
  });

  it('has in the trail what is carried out and why, not what was planned before the lock was there', async () => {
    const { ports, calls } = portsOf({ looks: [emptyEngine(), stopped] });
    const changes: AuditedChange[] = [];
    const ends: ChangeEnd[] = [];
    const audit: Ports['audit'] = {
      ...ports.audit,
      changing: async (change) => {
        expect(calls).toEqual([]);
        changes.push(change);
        const ended = async (end: ChangeEnd) => {
          ends.push(end);
          return { written: true } as const;
        };
        return { start: { written: true }, ended };
      },
    };
    const prepared = await planWork(ports, { ...request, servers: [server('a')] }, { policies: [] });
    expect(prepared.plan.changes).toMatchObject([{ action: 'create' }]);
    await applyWork({ ...ports, audit }, prepared, { ...options, acceptNewPlan: () => true });
    expect(changes).toMatchObject([{ servers: [{ server: 'a', action: 'start', reasons: [{ kind: 'exited' }] }] }]);
    expect(ends).toMatchObject([{ outcomes: [{ server: 'a' }] }]);
  });

  it('has in the trail that somebody stopped what was down already, planned so or found so under the lock', async () => {
    const stop = { kind: 'recorded', project, servers: [a], wish: { kind: 'stop' }, directory: '/' } as const;
    const keeping = (looks: readonly Observed[]) => {
      const trail: unknown[] = [];
      const { ports, calls } = portsOf({ looks });
      const changing: Ports['audit']['changing'] = async ({ command, principal, servers }) => ({
        start: { written: true },
        ended: async ({ result, outcomes }) => {
          trail.push({ command, principal, servers, result, outcomes });
          return { written: true };
        },
      });
      return { ports: { ...ports, audit: { ...ports.audit, changing } } satisfies Ports, calls, trail };
    };
    const told = {
      servers: [{ server: 'a', action: 'stop' }],
      result: 'done',
      outcomes: [{ server: 'a', outcome: 'done' }],
    };
    // A plan of what is recorded looks twice.
    const died = keeping([running, running, stopped]);
    const anyPlan = { ...options, acceptNewPlan: () => true };
    await applyWork(died.ports, await planWork(died.ports, stop, { policies: [] }), anyPlan);
    expect(died.trail).toMatchObject([told]);
    const down = keeping([stopped]);
    const { stopSignal, abortSignal: abort, atOnceSignal: atOnce } = options;
    const by = { project, policies: [], keep: undefined, principal: 'ada', stop: stopSignal, abort, atOnce };
    expect(await actOn(down.ports, { deed: 'stop', server: a }, by)).toMatchObject({ outcome: 'done' });
    expect(down.trail).toMatchObject([{ ...told, command: 'looms mcp stop', principal: 'ada' }]);
    expect(down.calls).toEqual([]);
    const disabled = keeping([stopped]);
    await applyWork(disabled.ports, await planWork(disabled.ports, request, { policies: [] }), options);
    expect(disabled.trail).toEqual([]);
  });

  it('has in the trail what was planned where it could not begin', async () => {
    const { ports } = portsOf({ looks: [stopped], acquire: () => ({ result: 'held', holder, expired: false }) });
    const changes: AuditedChange[] = [];
    const audit: Ports['audit'] = {
      ...ports.audit,
      changing: async (change) => {
        changes.push(change);
        return ports.audit.changing(change);
      },
    };
    const prepared = await planWork(ports, { ...request, servers: [server('a')] }, { policies: [] });
    await expect(applyWork({ ...ports, audit }, prepared, options)).rejects.toMatchObject({ code: 'lock-held' });
    expect(changes).toMatchObject([{ servers: [{ server: 'a', action: 'start' }] }]);
  });

  it('has one end in the trail of what was carried out, also where that cannot be written', async () => {
    const { ports } = portsOf({ looks: [running] });
    const ends: ChangeEnd[] = [];
    const ended = async (end: ChangeEnd): Promise<never> => {
      ends.push(end);
      throw new Error('the trail is broken');
    };
    const audit: Ports['audit'] = { ...ports.audit, changing: async () => ({ start: { written: true }, ended }) };
    const prepared = await planWork(ports, request, { policies: [] });
    await expect(applyWork({ ...ports, audit }, prepared, options)).rejects.toThrow('the trail is broken');
    expect(ends).toMatchObject([{ result: 'done' }]);
  });

  it('looks again where host paths lead: one that became a link since is not mounted', async () => {
    const mounts = [{ type: 'bind', source: '/srv/shared/sub', target: '/x', readOnly: true }] as const;
    const { ports, calls } = portsOf({ looks: [running] });
    const prepared = await planWork(ports, { ...request, servers: [server('a', { mounts })] }, { policies: [] });
    const moved = { ...ports, files: { ...ports.files, realPath: async () => '/srv/private' } };
    await expect(applyWork(moved, prepared, options)).rejects.toMatchObject({
      code: 'refused',
      detail: ['a: /srv/shared/sub is not what was looked at: a link leads to /srv/private now'],
    });
    expect(calls).toEqual(['releaseLock']);
  });

  it('says when the lock could not be given back, and reports what was done all the same', async () => {
    const { ports } = portsOf({
      looks: [running],
      release: () => {
        throw new LoomsError('engine-timeout', 'the engine did not answer');
      },
    });
    const report = await applyWork(ports, await planWork(ports, request, { policies: [] }), options);
    expect(report).toMatchObject({ outcome: 'done', servers: [{ server: 'a', outcome: 'done' }] });
    expect(report.notices).toEqual([
      { code: 'lock-not-released', message: expect.stringContaining('the lock could not be released') },
    ]);
  });

  it('tells what begins under the lock, and has nothing in the trail of what is not wanted any more', async () => {
    const { ports } = portsOf({ looks: [running, stopped] });
    const records: unknown[] = [];
    const changing: Ports['audit']['changing'] = async ({ servers }) => {
      records.push(servers);
      return { start: { written: true }, ended: async () => ({ written: true }) };
    };
    const noting: Ports = { ...ports, audit: { ...ports.audit, changing } };
    const starting = { ...request, servers: [server('a'), server('b')] };
    const prepared = await planWork(noting, starting, { policies: [] });
    const notWanted = async (): Promise<void> => {
      throw new LoomsError('plan-stale', 'something else is declared by now');
    };
    const anyPlan = { ...options, acceptNewPlan: () => true };
    await expect(applyWork(noting, prepared, { ...anyPlan, stillWanted: notWanted })).rejects.toMatchObject({
      code: 'plan-stale',
    });
    expect(records).toEqual([]);
    const begun: unknown[] = [];
    await applyWork(noting, prepared, { ...anyPlan, onBegin: ({ plan: { changes } }) => void begun.push(changes) });
    const changes = [
      { server: 'a', action: 'start' },
      { server: 'b', action: 'create' },
    ];
    expect(records).toMatchObject([changes]);
    expect(begun).toMatchObject([changes]);
  });

  it('names who holds the lock', async () => {
    const { ports } = portsOf({ looks: [running], acquire: () => ({ result: 'held', holder, expired: false }) });
    await expect(applyWork(ports, await planWork(ports, request, { policies: [] }), options)).rejects.toMatchObject({
      code: 'lock-held',
      message: expect.stringContaining('anna@there (pid 7'),
    });
  });

  it('takes over a lock that expired, or whose holder on this machine is gone', async () => {
    for (const [lock, expired] of [
      [holder, true],
      [{ ...holder, host: 'here' }, false],
    ] as const) {
      let tries = 0;
      const { ports } = portsOf({
        looks: [running],
        alive: false,
        acquire: () =>
          tries++ === 0 ? { result: 'held', holder: lock, expired } : { result: 'acquired', lock: holder },
      });
      expect(await applyWork(ports, await planWork(ports, request, { policies: [] }), options)).toMatchObject({
        outcome: 'done',
      });
    }
  });

  it('takes a dead lock away where there is nothing to do, and leaves one that is held', async () => {
    const cases = [
      [{ ...holder, host: 'here' }, false, false, ['releaseLock']],
      [holder, true, true, ['releaseLock']],
      [holder, false, false, []],
      [{ ...holder, host: 'here' }, false, true, []],
      // In a container or a clone with the name of this machine: its processes cannot be seen from here.
      [{ ...holder, host: 'here', processes: 'another boot' }, false, false, []],
    ] as const;
    for (const [lock, expired, alive, done] of cases) {
      const { ports, calls } = portsOf({ looks: [stopped], alive, found: { holder: lock, expired } });
      expect(await clearDeadLock(ports, project)).toBeUndefined();
      expect(calls).toEqual(done);
    }
    const { ports, calls } = portsOf({ looks: [stopped] });
    expect(await clearDeadLock(ports, project)).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('looks secrets up before anything is asked of the engine', async () => {
    const secret = { kind: 'secret', parts: [{ from: 'provider', name: 'db' }] } as const;
    const { ports, calls } = portsOf({ looks: [emptyEngine()] });
    const needs = { ...request, servers: [server('a', { mcp: { env: { DB: secret } } })] };
    await expect(applyWork(ports, await planWork(ports, needs, { policies: [] }), options)).rejects.toMatchObject({
      code: 'secret-missing',
      message: 'secret ${secret:db} of server a (mcp.yaml:1) is not set',
      detail: ['looked for in environment (LOOMS_SECRET_DB is not set), file store'],
    });
    expect(calls).toEqual([]);
  });

  it('looks them up again under the lock, so that nothing is stopped for one that vanished meanwhile', async () => {
    const secret = { kind: 'secret', parts: [{ from: 'provider', name: 'db' }] } as const;
    const { ports, calls } = portsOf({ looks: [emptyEngine()] });
    let looks = 0;
    const vanishing: Ports = {
      ...ports,
      secrets: async () =>
        looks++ === 0 ? { found: true, value: 'there', provider: 'file store' } : { found: false, tried: [] },
    };
    const needs = { ...request, servers: [server('a', { mcp: { env: { DB: secret } } })] };
    await expect(
      applyWork(vanishing, await planWork(vanishing, needs, { policies: [] }), options),
    ).rejects.toMatchObject({
      code: 'secret-missing',
    });
    expect(calls).toEqual(['releaseLock']);
  });
});
