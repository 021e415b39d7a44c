import { describe, expect, it, vi } from 'vitest';
import { label } from '../../../src/kubernetes/model/names.ts';
import type { ContainerStatus, Pod } from '../../../src/kubernetes/model/objects.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { events, eventsBetween, watchServers } from '../../../src/kubernetes/views/events.ts';
import { readSaid } from '../../../src/kubernetes/views/usage.ts';
import type { EngineEvent } from '../../../src/model/engine-events.ts';
import { LoomsError } from '../../../src/model/errors.ts';
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

describe('the events of a project', () => {
  const named = (name: string, status = running()): Pod => pod(status, { name, uid: `uid of ${name}` });
  const line = (type: string, object: object) => JSON.stringify({ type, object });
  const expired = line('ERROR', { kind: 'Status', code: 410, reason: 'Expired' });

  /** A cluster that says this, one list and one watch after the other; the last watch ends with the signal. */
  function following(looks: readonly { readonly pods: readonly Pod[]; readonly watch: readonly string[] | Error }[]) {
    const controller = new AbortController();
    const versions: (string | undefined)[] = [];
    let [lists, watches, pauses] = [0, 0, 0];
    const cluster = {
      async request() {
        lists += 1;
        return { items: looks[lists - 1]?.pods, metadata: { resourceVersion: `v${lists}` } };
      },
      async *lines({ query }: { readonly query: Readonly<Record<string, string>> }) {
        versions.push(query.resourceVersion);
        watches += 1;
        const { watch = [] } = looks[watches - 1] ?? {};
        if (watch instanceof Error) throw watch;
        yield* watch;
        if (watches === looks.length) controller.abort();
      },
    };
    const ports = {
      cluster,
      monotonicMs: () => 0,
      pause: async () => {
        pauses += 1;
      },
    } as unknown as KubernetesPorts;
    const heard: string[] = [];
    const hear = (event: EngineEvent) => heard.push(`${event.containerName} ${event.type}`);
    const { signal } = controller;
    return { ports, signal, hear, heard, versions, pauses: () => pauses };
  }
  const query = { since: { at: Date.parse('2027-01-01T00:00:00Z') }, follow: true };

  it('are followed until the signal aborts, however often the API server ends a watch', async () => {
    const at = following([
      { pods: [named('a')], watch: [line('ADDED', named('b'))] },
      { pods: [named('b', running(1)), named('c')], watch: [expired] },
      { pods: [named('b', running(1)), named('c')], watch: [line('DELETED', named('c'))] },
    ]);
    const end = events(at.ports, project, query, at.hear, async () => 0, { signal: at.signal });
    await expect(end).rejects.toMatchObject({ code: 'interrupted' });
    expect(at.heard).toEqual([
      'b created',
      'b started',
      'a removed',
      'b started',
      'c created',
      'c started',
      'c removed',
    ]);
    expect(at.versions).toEqual(['v1', 'v2', 'v3']);
    expect(at.pauses()).toBe(3);
  });

  it('are followed anew where the API server has no more of the version that a watch begins at', async () => {
    const gone = new LoomsError('engine-rejected', 'too old', {
      cause: Object.assign(new Error('too old'), { refusal: { status: 410, reason: 'Expired' } }),
    });
    const at = following([
      { pods: [], watch: gone },
      { pods: [named('a')], watch: [] },
    ]);
    const end = events(at.ports, project, query, at.hear, async () => 0, { signal: at.signal });
    await expect(end).rejects.toMatchObject({ code: 'interrupted' });
    expect(at.heard).toEqual(['a created', 'a started']);
  });

  it('end with what else a watch fails with', async () => {
    const broken = line('ERROR', { kind: 'Status', code: 500 });
    const at = following([{ pods: [], watch: [broken] }]);
    const end = events(at.ports, project, query, at.hear, async () => 0, { signal: at.signal });
    await expect(end).rejects.toMatchObject({ code: 'engine-unreachable' });
  });

  it('end a watch of servers with the API server’s', async () => {
    const at = following([{ pods: [], watch: [expired] }]);
    const onReady = vi.fn();
    await watchServers(at.ports, project, { onReady, onChange: () => {} }, { signal: at.signal });
    expect([onReady.mock.calls.length, at.versions]).toEqual([1, ['v1']]);
  });
});

describe('what a pod’s own files say it takes', () => {
  it('is read with what is not there left out, networks summed', () => {
    const said = ['cpu.usage_usec 1500', 'memory 100', 'inactive 40', 'pids 3', 'net.in 5', 'net.in 6', 'net.out 1'];
    const { sample, sessions } = readSaid([...said, 'sessions 2'].join('\n'), 7);
    expect(sessions).toBe(2);
    expect(sample).toEqual({
      at: 7,
      cpuMs: 1.5,
      cpuPeriods: 0,
      throttledPeriods: 0,
      memoryBytes: 60,
      processes: 3,
      network: { receivedBytes: 11, sentBytes: 1 },
      blockIo: null,
    });
  });

  it('is nothing where it says too little, or what is no number', () => {
    expect(readSaid('sh: not found', 1)).toEqual({ sample: null, sessions: null });
    expect(readSaid('memory -4\ncpu.usage_usec x', 1)).toEqual({ sample: null, sessions: null });
  });
});
