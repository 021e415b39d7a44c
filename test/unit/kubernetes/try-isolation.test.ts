import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { tryIsolation } from '../../../src/kubernetes/probe/try-isolation.ts';
import { LoomsError } from '../../../src/model/errors.ts';

type Way = 'open' | 'refused' | 'silent';

/** A cluster whose pods reach one another, and their node, as a test says. */
type Faults = {
  readonly before?: Way;
  readonly after?: Way;
  readonly node?: Way;
  readonly waiting?: { readonly reason: string; readonly message: string };
  /** A namespace of another probe, by its age in minutes; and what it is called and labelled otherwise. */
  readonly leftMinutes?: number;
  readonly left?: object;
  /** What is done where a pod does not say what it reaches. */
  readonly onSilence?: () => void;
  readonly signal?: AbortSignal;
};

const now = Date.parse('2026-11-29T12:00:00Z');

function world({
  before = 'open',
  after = 'silent',
  node = 'silent',
  waiting,
  leftMinutes,
  left,
  onSilence,
  signal,
}: Faults) {
  const calls: string[] = [];
  let ms = 0;
  let isDenied = false;
  const pod = (name: string) => ({
    metadata: { name, namespace: 'probe', uid: name },
    spec: { containers: [], nodeName: 'node1' },
    status: {
      podIP: '10.0.0.1',
      hostIP: '10.1.0.1',
      conditions: [{ type: 'Ready', status: waiting === undefined ? 'True' : 'False' }],
      containerStatuses: [{ name: 'probe', ...(waiting === undefined ? {} : { state: { waiting } }) }],
    },
  });
  const answer = ({ method, path, body }: ApiRequest): unknown => {
    const { kind = '', metadata } = (body ?? {}) as { kind?: string; metadata?: object };
    if (path.endsWith('/selfsubjectreviews')) {
      return { metadata: { name: '', creationTimestamp: new Date(now).toISOString() } };
    }
    if (method === 'POST') {
      calls.push(`make ${kind}`);
      isDenied ||= kind === 'NetworkPolicy';
      return { ...body, metadata: { ...metadata, uid: `uid of ${kind}` } };
    }
    if (method === 'DELETE') {
      calls.push(`delete ${path}`);
      if (path.endsWith('0a1b')) expect(body).toMatchObject({ preconditions: { uid: 'l' } });
      return null;
    }
    if (path === '/api/v1/namespaces') {
      const creationTimestamp = new Date(now - (leftMinutes ?? 0) * 60_000).toISOString();
      const labels = { 'app.kubernetes.io/managed-by': 'looms', 'looms.dev/probe': '0a1b' };
      const metadata = { name: 'looms-probe-0a1b', uid: 'l', labels, creationTimestamp, ...left };
      return { items: leftMinutes === undefined ? [] : [{ metadata }] };
    }
    if (path.includes('/pods/')) return pod(path.split('/').at(-1) ?? '');
    return { items: [] };
  };
  const cluster = {
    request: async (request: ApiRequest) => answer(request),
    exec: async (_: unknown, argv: readonly string[]) => {
      const stdout = new PassThrough();
      const stderr = new PassThrough();
      if (onSilence === undefined) {
        stdout.end(argv.at(-1) === '10250' ? node : isDenied ? after : before);
        stderr.end();
      } else setImmediate(onSilence);
      const destroy = (): void => void calls.push('destroy');
      const ended = Promise.resolve({ exitCode: 0 });
      return { stdin: new PassThrough(), stdout, stderr, ended, destroy: onSilence === undefined ? () => {} : destroy };
    },
  } as unknown as Cluster;
  const ports = {
    cluster,
    settings: { relayImage: 'debian:bookworm-slim' },
    monotonicMs: () => ms,
    pause: async (milliseconds: number) => {
      ms += milliseconds;
    },
  } as unknown as KubernetesPorts;
  return { calls, run: () => tryIsolation(ports, { signal }) };
}

describe('trying out NetworkPolicies', () => {
  it('sees that they are enforced, and whether the node is reached all the same', async () => {
    const one = world({});
    expect(await one.run()).toMatchObject({ enforced: true, reachesNode: false });
    expect(one.calls).toEqual([
      'make Namespace',
      'make Pod',
      'make Pod',
      'make NetworkPolicy',
      expect.stringMatching(/^delete \/api\/v1\/namespaces\/looms-probe-[0-9a-f]{8}$/),
    ]);
    expect(await world({ node: 'refused' }).run()).toMatchObject({ enforced: true, reachesNode: true });
  });

  it('sees that they are not', async () => {
    expect(await world({ after: 'open' }).run()).toEqual({
      enforced: false,
      reachesNode: null,
      seen: 'of two pods on one node one still reached the other 20s after a NetworkPolicy that forbids it',
    });
  });

  it('shows nothing where pods do not reach one another anyway', async () => {
    expect(await world({ before: 'silent' }).run()).toMatchObject({ enforced: null, reachesNode: null });
  });

  it('says why its pods do not begin, and takes all away again', async () => {
    const one = world({ waiting: { reason: 'ErrImagePull', message: 'no such image' } });
    await expect(one.run()).rejects.toMatchObject({
      code: 'image-pull-failed',
      message: 'the pod listener of the probe did not begin: no such image',
      hint: expect.stringContaining('LOOMS_RELAY_IMAGE'),
    });
    expect(one.calls.at(-1)).toMatch(/^delete /);
  });

  it('takes all away again when it is stopped', async () => {
    const one = world({ signal: AbortSignal.abort() });
    await expect(one.run()).rejects.toBeInstanceOf(LoomsError);
    expect(one.calls.at(-1)).toMatch(/^delete /);
  });

  it('takes away what a killed one left, and not what goes on', async () => {
    const left = world({ leftMinutes: 11 });
    await left.run();
    expect(left.calls[0]).toBe('delete /api/v1/namespaces/looms-probe-0a1b');
    const young = world({ leftMinutes: 2 });
    await young.run();
    expect(young.calls[0]).toBe('make Namespace');
  });

  it('leaves namespaces that no probe made, whoever labelled them', async () => {
    const others = [
      { name: 'production' },
      { name: 'looms-probe-0a1c' },
      { labels: { 'looms.dev/probe': '0a1b' } },
      { uid: undefined },
    ];
    for (const left of others) {
      const one = world({ leftMinutes: 11, left });
      await one.run();
      expect(one.calls[0]).toBe('make Namespace');
    }
  });

  it('waits for no pod that does not say what it reaches, and ends what it began there', async () => {
    const controller = new AbortController();
    const interrupted = world({ onSilence: () => controller.abort(), signal: controller.signal });
    await expect(interrupted.run()).rejects.toMatchObject({ code: 'interrupted' });
    expect(interrupted.calls.slice(-2)).toEqual(['destroy', expect.stringMatching(/^delete /)]);
    const late = new AbortController();
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
    const hung = world({ onSilence: () => late.abort() });
    await expect(hung.run()).rejects.toMatchObject({ code: 'session-failed', detail: ['no answer within 10s'] });
    expect(timeout).toHaveBeenCalledWith(10_000);
    expect(hung.calls.slice(-2)).toEqual(['destroy', expect.stringMatching(/^delete /)]);
    timeout.mockRestore();
  });
});
