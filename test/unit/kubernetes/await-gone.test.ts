import { describe, expect, it } from 'vitest';
import { performStep, type StepEnvironment } from '../../../src/kubernetes/apply/perform-step.ts';
import type { KubeStep } from '../../../src/kubernetes/plan/steps.ts';
import { LoomsError } from '../../../src/model/errors.ts';

const unreachable = new LoomsError('engine-unreachable', 'nothing listens');
const busy = new LoomsError('engine-rejected', 'too many requests', {
  cause: Object.assign(new Error('no'), { refusal: { status: 429, reason: '' } }),
});
const refusedWith = (status: number): LoomsError =>
  new LoomsError('engine-rejected', 'no', {
    cause: Object.assign(new Error('no'), { refusal: { status, reason: '' } }),
  });
const [refused, wrong] = [refusedWith(403), refusedWith(400)];

const kept = { ownerReferences: [{ uid: 'r', kind: 'ReplicaSet', name: 'r', controller: true }] };

/** The wait for the end of a server's pods, of which one look after the other sees so many, or these, the last for good. */
function gone(...looks: readonly (number | readonly object[] | LoomsError)[]) {
  let ms = 0;
  let looked = 0;
  const request = async () => {
    const look = looks[Math.min(looked, looks.length - 1)] ?? 0;
    looked += 1;
    if (look instanceof LoomsError) throw look;
    if (typeof look !== 'number') return { items: look };
    return { items: Array.from({ length: look }, (_, index) => ({ metadata: { name: `p${index}`, ...kept } })) };
  };
  const pause = async (milliseconds: number) => {
    ms += milliseconds;
  };
  const ports = { cluster: { request }, monotonicMs: () => ms, pause };
  const env = { ports, observed: { namespace: 'looms-a' } } as unknown as StepEnvironment;
  const step = { op: 'await-gone', id: 'fs/await-gone', server: 'fs', name: 'looms-fs', seconds: 1 };
  return performStep(step as unknown as KubeStep, env, undefined, () => {}, {});
}

describe('the wait for the end of pods', () => {
  it('ends with them, or says how many stay', async () => {
    expect(await gone(2, 1, 0)).toEqual({ result: 'ok' });
    expect(await gone(2)).toMatchObject({ result: 'ok', code: 'pods-stay', note: expect.stringMatching(/^2 of/) });
  });

  it('does not wait for pods that have ended for good and stay, as evicted ones', async () => {
    const inPhase = (phase: string) => ({ metadata: { name: phase, ...kept }, status: { phase } });
    const [evicted, done, running] = [inPhase('Failed'), inPhase('Succeeded'), inPhase('Running')];
    expect(await gone([evicted, done])).toEqual({ result: 'ok' });
    const ended = { ...done, metadata: { ...done.metadata, deletionTimestamp: '2026-11-28T10:00:00Z' } };
    expect(await gone([ended])).toMatchObject({ code: 'pods-stay' });
    expect(await gone([evicted, running])).toMatchObject({ code: 'pods-stay', note: expect.stringMatching(/^1 of/) });
  });

  it('does not wait for pods that their ReplicaSet let go of, which nothing ends', async () => {
    expect(await gone([{ metadata: { name: 'stray' }, status: { phase: 'Running' } }])).toEqual({ result: 'ok' });
  });

  it('passes over what the cluster may do better the next time, as long as there is time', async () => {
    expect(await gone(1, unreachable, busy, refused, 0)).toEqual({ result: 'ok' });
    await expect(gone(1, busy)).rejects.toBe(busy);
    await expect(gone(1, refused)).rejects.toBe(refused);
    await expect(gone(1, wrong, 0)).rejects.toBe(wrong);
  });
});
