import { describe, expect, it } from 'vitest';
import { leases } from '../../../src/kubernetes/lock/leases.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { LockRequest } from '../../../src/orchestrator/common/project-lock.ts';
import { project } from '../../support/planner-world.ts';

type Lease = { metadata: { uid: string; resourceVersion: string }; spec: object };
type Fault = 'lost' | 'unavailable' | 'lost-before' | 'interrupted';

/** An API server with one Lease at most. `faults`: what happens to each POST, the first first. */
function world(...faults: readonly Fault[]) {
  let lease: Lease | undefined;
  let now = Date.parse('2026-11-29T12:00:00Z');
  let version = 0;
  let made = 0;
  const posts: unknown[] = [];
  const left = [...faults];
  const refuse = (code: 'engine-conflict' | 'engine-not-found'): never => {
    throw new LoomsError(code, code);
  };
  const stamped = (body: object, metadata: object): Lease => {
    version += 1;
    const { metadata: said } = body as Lease;
    return { ...(body as Lease), metadata: { ...said, ...metadata, resourceVersion: String(version) } as never };
  };
  const time = (): string => new Date(now).toISOString();
  const cluster = {
    request: async ({ method, path, body = {} }: ApiRequest): Promise<unknown> => {
      if (path.endsWith('/selfsubjectreviews')) return { metadata: { name: '', creationTimestamp: time() } };
      if (method === 'POST') {
        const fault = left.shift();
        posts.push(body);
        if (fault === 'lost-before') throw new LoomsError('engine-unreachable', 'it dropped the connection');
        if (lease !== undefined) return refuse('engine-conflict');
        made += 1;
        lease = stamped(body, { uid: `uid-${made}`, creationTimestamp: time() });
        if (fault === 'lost') throw new LoomsError('engine-timeout', 'no answer');
        if (fault === 'unavailable') throw new LoomsError('engine-unavailable', 'request timed out');
        if (fault === 'interrupted') throw new LoomsError('interrupted', 'stopped');
        return lease;
      }
      if (lease === undefined) return refuse('engine-not-found');
      if (method === 'GET') return lease;
      const { uid, resourceVersion } =
        method === 'PUT'
          ? (body as Lease).metadata
          : (body as { preconditions: { uid: string; resourceVersion?: string } }).preconditions;
      const isOther = uid !== lease.metadata.uid;
      if (isOther || (resourceVersion ?? lease.metadata.resourceVersion) !== lease.metadata.resourceVersion) {
        return refuse('engine-conflict');
      }
      lease = method === 'PUT' ? stamped(body, {}) : undefined;
      return lease ?? null;
    },
  } as unknown as Cluster;
  return {
    cluster,
    posts,
    isTaken: () => lease !== undefined,
    later: (ms: number) => {
      now += ms;
    },
  };
}

const me: LockRequest = { who: 'ann', host: 'box', pid: 7, command: 'apply', lifetimeMs: 60_000 };

describe('a Lease as the lock of a project', () => {
  it('is taken over when it ran out, and not when it was renewed in between', async () => {
    const { cluster, later, isTaken } = world();
    const holder = leases(cluster);
    const other = leases(cluster);
    const got = await holder.acquireLock(project, me);
    if (got.result !== 'acquired') throw new Error('not acquired');
    later(61_000);
    const seen = await other.acquireLock(project, me);
    expect(seen).toMatchObject({ result: 'held', expired: true });
    await holder.renewLock(got.lock, 60_000);
    await other.releaseLock(got.lock.id);
    await holder.checkLock(got.lock);
    expect(await other.acquireLock(project, me)).toMatchObject({ result: 'held', expired: false });
    later(61_000);
    expect(await other.acquireLock(project, me)).toMatchObject({ result: 'held', expired: true });
    await other.releaseLock(got.lock.id);
    expect(isTaken()).toBe(false);
    await expect(holder.renewLock(got.lock, 60_000)).rejects.toMatchObject({ code: 'lock-lost' });
  });

  it('is given back, and taken away by its id, whatever was renewed', async () => {
    const { cluster, isTaken } = world();
    const holder = leases(cluster);
    const got = await holder.acquireLock(project, me);
    if (got.result !== 'acquired') throw new Error('not acquired');
    const person = leases(cluster);
    const found = await person.findLock(project);
    await holder.renewLock(got.lock, 60_000);
    await person.releaseLock(found?.holder.id ?? got.lock.id);
    expect(isTaken()).toBe(false);
    const again = await holder.acquireLock(project, me);
    if (again.result !== 'acquired') throw new Error('not acquired');
    await holder.renewLock(again.lock, 60_000);
    await holder.releaseLock(again.lock.id);
    expect(isTaken()).toBe(false);
  });

  it.each([
    ['was lost', 'lost'],
    ['was that there is none', 'unavailable'],
  ] as const)('is known again as one’s own where the answer %s, and nobody else’s', async (_, fault) => {
    const mine = world(fault);
    const got = await leases(mine.cluster).acquireLock(project, me);
    expect(got).toMatchObject({ result: 'acquired', lock: { id: 'uid-1', who: 'ann' } });
    expect(JSON.stringify(got)).not.toContain('nonce');
    expect(mine.posts).toHaveLength(1);
    // The same process has it already, by another try.
    expect(await leases(mine.cluster).acquireLock(project, me)).toMatchObject({ result: 'held' });
  });

  it('is tried for once more where nothing came of it, and then no more', async () => {
    expect(await leases(world('lost-before').cluster).acquireLock(project, me)).toMatchObject({ result: 'acquired' });
    const { cluster, posts } = world('lost-before', 'lost-before', 'lost-before');
    await expect(leases(cluster).acquireLock(project, me)).rejects.toMatchObject({ code: 'engine-unreachable' });
    expect(posts).toHaveLength(2);
  });

  it('is not left by a try that was interrupted', async () => {
    const { cluster, isTaken } = world('interrupted');
    await expect(leases(cluster).acquireLock(project, me)).rejects.toMatchObject({ code: 'interrupted' });
    expect(isTaken()).toBe(false);
  });

  it('is given up where it changes hands all the time', async () => {
    let posts = 0;
    const cluster = {
      request: async ({ method }: ApiRequest) => {
        if (method === 'POST') posts += 1;
        throw new LoomsError(method === 'POST' ? 'engine-conflict' : 'engine-not-found', 'no');
      },
    } as unknown as Cluster;
    await expect(leases(cluster).acquireLock(project, me)).rejects.toMatchObject({ code: 'engine-conflict' });
    expect(posts).toBe(30);
  });
});
