import { describe, expect, test } from 'vitest';
import { readingOf } from '../../../src/app/alerts/readings.ts';
import type { Work } from '../../../src/app/plan/plan-work.ts';
import { createLoopRecord } from '../../../src/app/watch/loop-record.ts';
import type { LeftAlone } from '../../../src/app/watch/told.ts';
import { asContainerId, asServerName, type ServerName } from '../../../src/model/ids.ts';
import type { Blocker, Change, Plan } from '../../../src/model/plan.ts';
import { metricsText } from '../../../src/model/trail/metrics.ts';
import { readAlertRule } from '../../../src/spec/alert-rule.ts';
import { emptyEngine, plan as planOf, server } from '../../support/planner-world.ts';
import { parsed } from '../../support/prometheus.ts';

const name = asServerName;
const change = (of: string, action: 'create' | 'start' | 'replace'): Change =>
  ({ server: name(of), action, order: 'start-first', reasons: [{ kind: 'missing' }] }) as unknown as Change;

describe('what a loop tells of itself', () => {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, now: () => 1_000_000_500 + nowMs };
  const begin = (intervalMs = 60_000) => {
    nowMs = 0;
    const { record, status } = createLoopRecord(clock, intervalMs);
    const samples = (family: string) => parsed(metricsText(status.families())).get(family)?.samples ?? [];
    const states = () =>
      Object.fromEntries(
        samples('looms_server_health').flatMap(({ labels, value }) =>
          value === 1 ? [[labels.server, labels.state]] : [],
        ),
      );
    return { record, status, samples, states };
  };
  const look = (servers: readonly string[], changes: readonly Change[] = [], left: [string, LeftAlone][] = []) => ({
    servers: servers.map((one) => server(one)),
    plan: { ...planOf([], emptyEngine()), changes, drift: [] } as Plan,
    left: new Map<ServerName, LeftAlone>(left.map(([one, why]) => [name(one), why])),
    // What would be done is handed on, and not read here.
    work: {} as Work,
    dryRun: false,
  });

  test('it is alive at its start, and stuck when no look ended within three intervals, the first one neither', () => {
    const { record, status } = begin();
    expect([status.isAlive(), status.isReady()]).toEqual([true, false]);
    nowMs += 180_001;
    expect(status.isAlive()).toBe(false);
    record.lookEnded(0.2, true);
    nowMs += 180_000;
    expect([status.isAlive(), status.isReady()]).toEqual([true, true]);
    nowMs += 1;
    expect(status.isAlive()).toBe(false);
    record.stirred();
    expect(status.isAlive()).toBe(true);
    record.lookEnded(0.2, false);
    expect(status.isReady()).toBe(false);
  });

  test('while a repository does not answer at its start, it is alive until it should have asked again', () => {
    const { record, status } = begin();
    record.sourceAsked(600_000);
    nowMs += 780_000;
    expect(status.isAlive()).toBe(true);
    nowMs += 1;
    expect(status.isAlive()).toBe(false);
    record.sourceReached();
    nowMs += 180_001;
    expect(status.isAlive()).toBe(false);
    // Once it looks, its looks alone tell.
    record.lookEnded(0.2, true);
    record.sourceAsked(600_000);
    nowMs += 180_001;
    expect(status.isAlive()).toBe(false);
  });

  test('in a run a step may take as long as servers may drain', () => {
    const { record, status } = begin();
    const ended = record.changing([{ server: name('a'), action: 'create', reasons: [{ kind: 'missing' }] }]);
    nowMs += 3_600_000;
    expect(status.isAlive()).toBe(true);
    ended(3_600, 'done');
    record.lookEnded(3_600, true);
    nowMs += 180_001;
    expect(status.isAlive()).toBe(false);
  });

  test('a loop that looks each second has a minute', () => {
    const { record, status } = begin(1_000);
    record.lookEnded(0.2, true);
    nowMs += 60_000;
    expect(status.isAlive()).toBe(true);
    nowMs += 1;
    expect(status.isAlive()).toBe(false);
  });

  test('each server is in one state: by what is done, by the plan, else by its probes', () => {
    const { record, states } = begin();
    const servers = ['asked', 'waits', 'taken', 'stopped', 'gone', 'new', 'slow'];
    const waiting: LeftAlone = { why: 'waiting', repairs: 2, forMs: 1, after: '' };
    const byPerson: LeftAlone = { why: 'stopped-by-person', user: 'ann', time: '' };
    record.looked(
      look(
        servers,
        [change('waits', 'replace'), change('stopped', 'start'), change('gone', 'create'), change('new', 'create')],
        [
          ['waits', waiting],
          ['stopped', byPerson],
          ['taken', { why: 'blocked', blocker: { kind: 'unsupported', detail: 'x' } }],
        ],
      ),
    );
    record.probedBy((one) => {
      if (one === 'asked') return { state: 'healthy', seconds: 0.25 };
      return one === 'slow' ? { state: 'slow' } : undefined;
    });
    expect(new Set(Object.values(states()))).toEqual(new Set(['unknown']));
    record.lookEnded(0.1, true);
    const ended = record.changing([change('new', 'create')]);
    expect(states()).toEqual({
      asked: 'healthy',
      waits: 'waiting',
      taken: 'blocked',
      stopped: 'stopped',
      gone: 'down',
      new: 'repairing',
      slow: 'slow',
    });
    ended(2, 'done');
    expect(states().new).toBe('down');
    // What cannot be looked at says nothing about servers.
    record.lookEnded(0.1, false);
    expect(new Set(Object.values(states()))).toEqual(new Set(['unknown']));
  });

  test('of a server whose engine is silent while others answer nothing is known, and no alert turns', () => {
    const { record, status } = begin();
    const rules = ['health is down for 1m', 'health is blocked for 2m', 'drift for 2m'].map((text) => {
      const rule = readAlertRule(text);
      if ('problem' in rule) throw new Error(rule.problem);
      return rule;
    });
    const readings = () => {
      const [loop] = status.servers() ?? [];
      return rules.map((rule) => {
        const reading = readingOf(rule, { now: 0, points: [], calls: () => undefined, loop });
        return reading.kind === 'known' ? reading.isTrue : reading.kind;
      });
    };
    record.looked(look(['fs'], [change('fs', 'start')]));
    record.lookEnded(0.1, true);
    expect(readings()).toEqual([true, false, true]);

    const blocker: Blocker = { kind: 'engine-silent', detail: 'engine gpu does not answer', hint: 'it waits' };
    const blocked: Change = { server: name('fs'), action: 'blocked', why: blocker };
    record.looked(look(['fs'], [blocked], [['fs', { why: 'blocked', blocker }]]));
    record.lookEnded(0.1, true);
    expect(status.servers()).toEqual([{ server: 'fs', state: 'unknown', isDown: false, drift: 'unknown' }]);
    expect(readings()).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('what it knows now is seen by whoever looks, and each change of it is told', () => {
    const { record, status } = begin();
    let heard = 0;
    const leave = status.onChange(() => {
      heard += 1;
    });
    expect(status.view()).toMatchObject({ isChanging: false });
    expect(status.view().stateOf(name('fs'))).toBeUndefined();
    record.sourceRead('git', { commits: ['abc'], commitBy: 'Ann' });
    record.looked(look(['fs'], [change('fs', 'create')]));
    record.lookEnded(0.1, true);
    const ended = record.changing([change('fs', 'create')]);
    expect(status.view()).toMatchObject({
      source: { from: 'git', commits: ['abc'], commitBy: 'Ann' },
      isChanging: true,
    });
    expect(status.view().stateOf(name('fs'))).toBe('repairing');
    ended(1, 'done');
    expect(status.view().stateOf(name('fs'))).toBe('down');
    expect(status.view().stateOf(name('web'))).toBeUndefined();
    expect(heard).toBe(3);
    leave();
    record.lookEnded(0.1, true);
    expect(heard).toBe(3);
  });

  test('source, drift, probes, looks, runs and changes are counted', () => {
    const { record, samples } = begin();
    record.sourceReached();
    record.sourceRead('git', { commits: ['abc'], commitBy: 'Ann' });
    const drift = [
      {
        server: name('fs'),
        container: asContainerId('c'.repeat(64)),
        fields: [
          { path: 'a', from: '1', to: '2' },
          { path: 'b', from: '1', to: '2' },
        ] as const,
      },
    ];
    const { plan, ...rest } = look(['fs', 'web']);
    record.looked({ ...rest, plan: { ...plan, drift } });
    record.probedBy((one) => (one === 'fs' ? { state: 'healthy', seconds: 0.5 } : undefined));
    record.changing([change('fs', 'replace'), change('web', 'create')])(3, 'partly');
    record.lookEnded(0.2, true);
    const values = (family: string) =>
      samples(family).map(({ name: full, labels, value }) => [
        full.slice(family.length),
        Object.values(labels).join(' '),
        value,
      ]);
    expect(values('looms_source_info')).toEqual([['', 'git abc', 1]]);
    expect(values('looms_source_last_success_timestamp_seconds')).toEqual([['', '', 1_000_000]]);
    expect(values('looms_server_drift_fields')).toEqual([
      ['', 'fs', 2],
      ['', 'web', 0],
    ]);
    expect(values('looms_probe_duration_seconds')).toEqual([['', 'fs', 0.5]]);
    expect(values('looms_changes_total')).toEqual([['', 'missing', 2]]);
    expect(values('looms_repair_duration_seconds')).toContainEqual(['_bucket', 'partly 5', 1]);
    expect(values('looms_repair_duration_seconds')).toContainEqual(['_sum', 'partly', 3]);
    expect(values('looms_reconcile_duration_seconds')).toContainEqual(['_count', '', 1]);
  });
});
