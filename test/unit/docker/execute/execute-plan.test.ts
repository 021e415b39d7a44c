import { describe, expect, it } from 'vitest';
import { reportOf } from '../../../../src/docker/apply/apply-report.ts';
import { executePlan } from '../../../../src/docker/execute/execute-plan.ts';
import type { StepEnvironment } from '../../../../src/docker/execute/perform-step.ts';
import type { Observed } from '../../../../src/docker/model/observed.ts';
import type { ImageFacts } from '../../../../src/docker/model/shape.ts';
import type { CallOptions, Engine } from '../../../../src/docker/port.ts';
import type { DockerPlan } from '../../../../src/docker/steps.ts';
import { LoomsError } from '../../../../src/model/errors.ts';
import { asContainerId, asProjectName } from '../../../../src/model/ids.ts';
import type { GateOutcome } from '../../../../src/orchestrator/port.ts';
import { simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, httpServer, plan, server } from '../../../support/planner-world.ts';

/** Ends the run as a grace that has passed does, or as a second Ctrl-C. */
type GiveUp = (signal: 'abort' | 'atOnce') => void;

type Setup = {
  /** Called at each engine call with its name; may throw, or stop the run as a first Ctrl-C does. */
  readonly onCall?: (call: string, stop: AbortController, giveUp: GiveUp) => void;
  readonly gate?: (stop: AbortController, giveUp: GiveUp) => Promise<GateOutcome>;
};

/** Runs a plan against an engine that only notes what it is asked. */
async function run(made: DockerPlan, observed: Observed, { onCall = () => undefined, gate }: Setup = {}) {
  const calls: string[] = [];
  const stop = new AbortController();
  const abort = new AbortController();
  const atOnce = new AbortController();
  const giveUp: GiveUp = (signal) => {
    stop.abort();
    abort.abort();
    if (signal === 'atOnce') atOnce.abort();
  };
  let next = 0;
  const engine = new Proxy({} as Engine, {
    get:
      (_, name) =>
      async (first: unknown, ...more: unknown[]) => {
        const { signal } = more.at(-1) as CallOptions;
        if (signal?.aborted) throw new LoomsError('interrupted', 'stopped waiting');
        const call = `${String(name)} ${typeof first === 'string' ? first : ''}`.trim();
        calls.push(call);
        onCall(call, stop, giveUp);
        next += 1;
        return name === 'createContainer' ? asContainerId(`new-${next}`) : name === 'countSessions' ? 0 : undefined;
      },
  });
  const env: StepEnvironment = {
    engine,
    project: asProjectName('test'),
    managedBy: 'looms/0.0.0',
    recipes: new Map(),
    buildSettings: { proxies: {}, labels: {} },
    gate: async () => (await gate?.(stop, giveUp)) ?? { passed: true, tools: 0, note: '' },
    containerSecrets: async () => ({ values: {} }),
    images: new Map(
      Object.entries(observed.images).filter((entry): entry is [string, ImageFacts] => entry[1] !== null),
    ),
    waitUntil: async () => true,
    recordable: ({ code, message }) => `${code}: ${message}`,
    keepLog: async (id) => {
      calls.push(`keepLog ${id}`);
      return 'its log was not kept';
    },
    stopGraceSeconds: 1,
  };
  const results = await executePlan(made, env, {
    parallelism: 4,
    stopSignal: stop.signal,
    abortSignal: abort.signal,
    atOnceSignal: atOnce.signal,
    checkLock: async () => onCall('checkLock', stop, giveUp),
    sink: (event) => {
      if (event.type === 'step-started') onCall(`started ${event.step.id}`, stop, giveUp);
    },
    monotonicMs: () => 0,
  });
  const ended = Object.fromEntries([...results].map(([id, result]) => [id, result.result]));
  return { calls, ended, results, stop, abort };
}

const volume = { mounts: [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] } as const;
const before = simulate(plan([httpServer('a', volume)], emptyEngine()), emptyEngine()).end;
const oldId = before.containers.find((one) => one.role === 'server')?.id;
const stopFirst = plan([httpServer('a', { ...volume, limits: { memoryMiB: 256 } })], before);

describe('walking a plan', () => {
  it('skips what waits for a failed step, and names it', async () => {
    const made = plan([server('a'), server('b')], emptyEngine());
    const { ended, results } = await run(made, emptyEngine(), {
      onCall: (call) => {
        if (call === 'createNetwork') throw new LoomsError('engine-rejected', 'no');
      },
    });
    expect(ended).toMatchObject({ 'network:isolated/create': 'failed', 'a/create': 'skipped', 'b/rename': 'skipped' });
    expect(results.get(made.steps.find((step) => step.id === 'a/create')?.id ?? ('' as never))).toMatchObject({
      because: 'network:isolated/create',
    });
  });

  it('does not let one server’s failure stop another', async () => {
    const made = plan([server('a'), server('b')], emptyEngine());
    const failing = { passed: false, failure: { code: 'server-exited', message: 'gone', detail: [] } } as const;
    let first = true;
    const { ended } = await run(made, emptyEngine(), {
      gate: async () => {
        const outcome = first ? failing : ({ passed: true, tools: 0, note: '' } as const);
        first = false;
        return outcome;
      },
    });
    expect(Object.values(ended).filter((result) => result === 'failed')).toHaveLength(1);
    expect([ended['a/rename'], ended['b/rename']].sort()).toEqual(['ok', 'skipped']);
    expect([ended['a/discard'], ended['b/discard']].sort()).toEqual(['ok', 'skipped']);
  });

  it('keeps the log of what it removes before that; a log that could not be kept is a note, and stops nothing', async () => {
    const replaced = plan(
      [server('a', { limits: { memoryMiB: 256 } })],
      simulate(plan([server('a')], emptyEngine()), emptyEngine()).end,
    );
    const { calls, results } = await run(replaced, simulate(plan([server('a')], emptyEngine()), emptyEngine()).end);
    const removal = calls.findIndex((call) => call.startsWith('removeContainer'));
    expect(calls[removal - 1]).toBe(calls[removal]?.replace('removeContainer', 'keepLog'));
    const removed = replaced.steps.find(
      ({ op, onFailureOf }) => op === 'remove-container' && onFailureOf === undefined,
    );
    expect(removed && results.get(removed.id)).toMatchObject({
      result: 'ok',
      code: 'log-not-kept',
      note: 'its log was not kept',
    });
  });

  it('counts a call whose answer never came as unknown', async () => {
    const made = plan([server('a')], emptyEngine());
    const { ended } = await run(made, emptyEngine(), {
      onCall: (call) => {
        if (call === 'createContainer') throw new LoomsError('engine-timeout', 'late');
      },
    });
    expect(ended).toMatchObject({ 'a/create': 'unknown', 'a/start': 'skipped' });
  });

  it('starts the old one again when a first Ctrl-C falls between its stop and the gate of its successor', async () => {
    const { calls } = await run(stopFirst, before, {
      onCall: (call, stop) => {
        if (call.startsWith('stopContainer')) stop.abort();
      },
    });
    const changing = calls.filter((call) => !/^(countSessions|keepLog)/.test(call));
    expect(changing).toEqual([
      'createContainer',
      `stopContainer ${oldId}`,
      'removeContainer new-1',
      `startContainer ${oldId}`,
    ]);
  });

  it('gives the name to the successor that passes its gate after a first Ctrl-C: the old one is stopped', async () => {
    const { calls, ended } = await run(stopFirst, before, {
      gate: async (stop) => {
        stop.abort();
        return { passed: true, tools: 0, note: '' };
      },
    });
    expect(calls.slice(-2)).toEqual([`renameContainer ${oldId}`, 'renameContainer new-1']);
    expect(ended).toMatchObject({ 'a/rename': 'ok', 'a/discard': 'skipped', 'a/remove:old': 'skipped' });
  });

  describe('whose running calls are given up', () => {
    const giveUpInGate =
      (signal: 'abort' | 'atOnce'): NonNullable<Setup['gate']> =>
      async (_, giveUp) => {
        giveUp(signal);
        throw new LoomsError('interrupted', 'stopped waiting');
      };
    const changing = (calls: readonly string[]) => calls.filter((call) => !/^(countSessions|keepLog)/.test(call));
    const untilGate = ['createContainer', `stopContainer ${oldId}`, 'startContainer new-1'];

    it('starts the old one again that was stopped for its successor', async () => {
      const { calls, ended } = await run(stopFirst, before, { gate: giveUpInGate('abort') });
      expect(changing(calls)).toEqual([...untilGate, 'removeContainer new-1', `startContainer ${oldId}`]);
      expect(ended).toMatchObject({ 'a/start:old': 'ok', 'a/rename': 'skipped' });
    });

    it('ends the stop of the old one before it starts it again', async () => {
      const { calls } = await run(stopFirst, before, {
        onCall: (call, _, giveUp) => {
          if (call.startsWith('stopContainer')) giveUp('abort');
        },
      });
      expect(changing(calls).slice(-2)).toEqual(['removeContainer new-1', `startContainer ${oldId}`]);
    });

    it('gives the name to the successor that has passed its gate', async () => {
      const { calls } = await run(stopFirst, before, {
        gate: async (_, giveUp) => {
          giveUp('abort');
          return { passed: true, tools: 0, note: '' };
        },
      });
      expect(calls.slice(-2)).toEqual([`renameContainer ${oldId}`, 'renameContainer new-1']);
    });

    it('begins nothing more with a second Ctrl-C', async () => {
      const { calls } = await run(stopFirst, before, { gate: giveUpInGate('atOnce') });
      expect(changing(calls)).toEqual(untilGate);
    });

    it('leaves a first generation in its gate to the next run, which goes on from there', async () => {
      const { calls } = await run(plan([server('a')], emptyEngine()), emptyEngine(), { gate: giveUpInGate('abort') });
      expect(changing(calls).slice(-1)).toEqual(['startContainer new-2']);
    });
  });

  describe('where the registry has a newer image that cannot be pulled', () => {
    const newer = { ...before, registry: { 'example:1': { answer: 'newer' as const } } };
    const failPull =
      (code: 'image-pull-failed' | 'interrupted'): NonNullable<Setup['onCall']> =>
      (call) => {
        if (call.startsWith('pullImage')) throw new LoomsError(code, 'no matching manifest');
      };

    it('leaves a server as it is that would be replaced for it alone', async () => {
      const made = plan([httpServer('a', volume)], newer);
      const { calls, ended, results } = await run(made, newer, { onCall: failPull('image-pull-failed') });
      expect(calls).toEqual(['pullImage example:1']);
      expect(ended).toMatchObject({ 'image:example:1': 'failed', 'a/create': 'skipped', 'a/rename': 'skipped' });
      const { servers } = reportOf(made, results, new Set(before.containers.map(({ id }) => id)));
      expect(servers).toMatchObject([{ server: 'a', outcome: 'failed', note: 'what served before still does' }]);
    });

    it('makes one of the local image that is replaced for another reason too, or does not run', async () => {
      const made = plan([httpServer('a', { ...volume, limits: { memoryMiB: 256 } })], newer);
      const { ended, results } = await run(made, newer, { onCall: failPull('image-pull-failed') });
      expect(ended).toMatchObject({ 'image:example:1': 'ok', 'a/rename': 'ok' });
      expect([...results.values()][0]).toMatchObject({ code: 'local-image-used' });
      const state = { status: 'exited', exitCode: 1, finishedAt: 5, oomKilled: false } as const;
      const down = { ...newer, containers: newer.containers.map((one) => ({ ...one, state })) };
      const again = await run(plan([httpServer('a', volume)], down), down, { onCall: failPull('image-pull-failed') });
      expect(again.ended).toMatchObject({ 'image:example:1': 'ok', 'a/rename': 'ok' });
    });

    it('makes nothing of the local image when the pull was interrupted', async () => {
      const made = plan([httpServer('a', { ...volume, limits: { memoryMiB: 256 } })], newer);
      const { calls } = await run(made, newer, { onCall: failPull('interrupted') });
      expect(calls).toEqual(['pullImage example:1']);
    });
  });

  it('takes nothing away once the lock is lost', async () => {
    const { ended, calls } = await run(stopFirst, before, {
      onCall: (call) => {
        if (call === 'checkLock') throw new LoomsError('lock-lost', 'someone took it');
      },
    });
    expect(ended['a/stop:old']).toBe('failed');
    expect(calls.filter((call) => /^(stop|remove|rename)/.test(call))).toEqual([]);
  });
});
