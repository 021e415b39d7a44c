import { describe, expect, it } from 'vitest';
import { label } from '../../../src/kubernetes/model/names.ts';
import type { ContainerStatus, Pod } from '../../../src/kubernetes/model/objects.ts';
import { eventsBetween } from '../../../src/kubernetes/views/events.ts';
import { readSample } from '../../../src/kubernetes/views/usage.ts';
import { project } from '../../support/planner-world.ts';

const pod = (status?: Partial<ContainerStatus>, more: object = {}): Pod => ({
  metadata: {
    name: 'looms-fs-a',
    namespace: 'looms-test',
    uid: 'u1',
    creationTimestamp: '2026-11-28T10:00:00Z',
    labels: { [label.project]: project, [label.server]: 'fs' },
    annotations: { 'looms.dev/generation': '4' },
    ...more,
  },
  spec: { containers: [] },
  ...(status === undefined ? {} : { status: { containerStatuses: [{ name: 'server', ...status }] } }),
});
const running = (restartCount = 0): Partial<ContainerStatus> => ({
  restartCount,
  state: { running: { startedAt: `2026-11-28T10:0${restartCount + 1}:00Z` } },
});
const told = (before: Pod | undefined, type: 'ADDED' | 'MODIFIED' | 'DELETED', now: Pod) =>
  eventsBetween(before, { type, pod: now }, project).map((event) => event.type);

describe('what a cluster tells of a pod', () => {
  it('is its life in its order, and nothing twice', () => {
    expect(told(undefined, 'ADDED', pod())).toEqual(['created']);
    expect(told(pod(), 'MODIFIED', pod(running()))).toEqual(['started']);
    expect(told(pod(running()), 'MODIFIED', pod(running()))).toEqual([]);
    const again = { ...running(1), lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } };
    expect(told(pod(running()), 'MODIFIED', pod(again))).toEqual(['oom', 'ended', 'started']);
    expect(told(pod(again), 'DELETED', pod(again))).toEqual(['removed']);
  });

  it('names the server, the generation and the exit code', () => {
    const ended = { restartCount: 0, state: { terminated: { exitCode: 3, finishedAt: '2026-11-28T10:05:00Z' } } };
    expect(eventsBetween(pod(running()), { type: 'MODIFIED', pod: pod(ended) }, project)).toMatchObject([
      { type: 'ended', exitCode: 3, server: 'fs', generation: 4, time: Date.parse('2026-11-28T10:05:00Z') },
    ]);
  });

  it('is nothing for a pod of another project', () => {
    expect(told(undefined, 'ADDED', pod(undefined, { labels: { [label.project]: 'other' } }))).toEqual([]);
  });
});

describe('what a pod’s own files say it takes', () => {
  it('is read with what is not there left out, networks summed', () => {
    const said = ['cpu.usage_usec 1500', 'memory 100', 'inactive 40', 'pids 3', 'net.in 5', 'net.in 6', 'net.out 1'];
    expect(readSample(said.join('\n'), 7)).toEqual({
      at: 7,
      cpuMs: 1.5,
      cpuPeriods: 0,
      throttledPeriods: 0,
      memoryBytes: 60,
      processes: 3,
      network: { receivedBytes: 11, sentBytes: 1 },
      blockIo: { readBytes: 0, writtenBytes: 0 },
    });
  });

  it('is nothing where it says too little, or what is no number', () => {
    expect(readSample('sh: not found', 1)).toBeUndefined();
    expect(readSample('memory -4\ncpu.usage_usec x', 1)).toBeUndefined();
  });
});
