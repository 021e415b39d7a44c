import { describe, expect, it } from 'vitest';
import { reportOf } from '../../../src/docker/apply/apply-report.ts';
import type { DockerPlan } from '../../../src/docker/steps.ts';
import type { StepResult } from '../../../src/model/events.ts';
import type { ContainerId } from '../../../src/model/ids.ts';
import { newEngine, type SimulatedEngine, simulate } from '../../support/planner-simulation.ts';
import { plan, server } from '../../support/planner-world.ts';

const address = '10.1.2.3';
const led = (port: number) => server('a', { network: { egress: [{ host: address, port, tls: false, address }] } });
const before = simulate(plan([led(1)], newEngine(), { undesired: 'remove' }), newEngine()).end;
const failure = { code: 'server-exited', message: 'it exited', detail: [] } as const;

/** What became of a plan in which the steps before that one went well, and those after it were not made. */
function reportWith(made: DockerPlan, failed: string, engine: SimulatedEngine) {
  const at = made.steps.findIndex(({ id }) => id === failed);
  const results = made.steps.map(({ id, onFailureOf }, index): [typeof id, StepResult] => {
    if (id === failed) return [id, { result: 'failed', failure }];
    if (onFailureOf !== undefined) return [id, { result: 'ok' }];
    return [id, index < at ? { result: 'ok' } : { result: 'skipped', because: made.steps[at]?.id ?? id }];
  });
  const running = new Set<ContainerId>(engine.containers.map(({ id }) => id));
  return reportOf(made, new Map(results), running).servers;
}

describe('what is told of a server that serves on after its successor failed', () => {
  const standIn = `looms-test-a.egress-${address}`;
  const changed = plan([led(2)], before);

  it('names the stand-ins that have the new list', () => {
    expect(reportWith(changed, 'a/gate', before)).toMatchObject([
      { outcome: 'gate-failed', note: `until the next apply ${standIn} has the new list` },
    ]);
  });

  it('names a stand-in that is gone', () => {
    expect(reportWith(changed, `egress:${standIn}/create`, before)).toMatchObject([
      { outcome: 'failed', note: `what served before still does; until the next apply ${standIn} is gone` },
    ]);
  });

  it('has nothing to say of one whose list is the same', () => {
    const more = { ...led(1), spec: { ...led(1).spec, limits: { ...led(1).spec.limits, memoryMiB: 77 } }, hash: 'x' };
    const [found] = reportWith(plan([more], before), 'a/gate', before);
    expect(found).toMatchObject({ outcome: 'gate-failed' });
    expect(found).not.toHaveProperty('note');
  });
});

describe('notices of a run', () => {
  const made = plan([led(1)], newEngine());
  const running = new Set<ContainerId>();

  it('are what its steps said with a code, under the server that they were for', () => {
    const results = made.steps.map(({ id, op }): [typeof id, StepResult] => {
      if (op === 'gate') return [id, { result: 'ok', note: '3 tools' }];
      const stays = { result: 'ok', code: 'network-stays', note: `${id} stays` } as const;
      return [id, op === 'create-network' || id === 'a/create' ? stays : { result: 'ok' }];
    });
    const { notices } = reportOf(made, new Map(results), running);
    expect(notices).toContainEqual({ code: 'network-stays', server: 'a', message: 'a/create stays' });
    const ofNone = notices.filter((one) => !('server' in one));
    expect(ofNone.length).toBeGreaterThan(0);
    expect(ofNone.length).toBe(notices.length - 1);
  });

  it('say of a way back what became of it', () => {
    const changed = plan(
      [{ ...led(1), spec: { ...led(1).spec, limits: { ...led(1).spec.limits, memoryMiB: 77 } }, hash: 'x' }],
      before,
    );
    const back = changed.steps.find(({ onFailureOf }) => onFailureOf !== undefined);
    const results = changed.steps.map(({ id }): [typeof id, StepResult] => [
      id,
      id === back?.id ? { result: 'failed', failure } : { result: 'ok' },
    ]);
    expect(reportOf(changed, new Map(results), running).notices).toEqual([
      { code: 'way-back-failed', server: 'a', message: expect.stringContaining('failed too (it exited)') },
    ]);
  });
});
