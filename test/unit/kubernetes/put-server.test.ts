import { describe, expect, it, test } from 'vitest';
import { putServer } from '../../../src/kubernetes/apply/put-server.ts';
import { readClaim } from '../../../src/kubernetes/model/claims.ts';
import { annotation, label } from '../../../src/kubernetes/model/names.ts';
import type { Deployment, KubeObject, Metadata } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import { deploymentOf } from '../../../src/kubernetes/objects/objects.ts';
import { overDeployment } from '../../../src/kubernetes/plan/over.ts';
import type { ApiRequest } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { readRecordedSpec, recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { project, server } from '../../support/planner-world.ts';

const one = server('fs', { mcp: { command: 'node', args: ['server.js'] } });
const three = server('fs', { mcp: { command: 'node', args: ['server.js'] }, replicas: 3 });
const namespace = `looms-${project}`;
const digest = `sha256:${'a'.repeat(64)}`;

/** What is written where a server whose pods pull its image by a digest gets another number of them. */
async function scaled(signature: string | undefined, more: Partial<Metadata> = {}): Promise<Deployment> {
  const settings = {
    ...{ project, registry: undefined, relayImage: 'relay', managedBy: 'looms/1.0.0' },
    recordOf: ({ spec, image }: typeof one) => recordSpec(spec, image.ref),
  };
  const made = { secret: 'looms-fs-env', digest, annotations: { [annotation.signature]: 'ours' }, podAnnotations: {} };
  const written = deploymentOf(one, settings, made) as Deployment;
  const deployment = { ...written, metadata: { ...written.metadata, uid: 'd', resourceVersion: '1', ...more } };
  const records = {
    read: readRecordedSpec,
    makerOf: () => ({ kind: 'here' }) as const,
    hash: ({ spec, image }: NonNullable<ReturnType<typeof readRecordedSpec>>) => specHash(spec, image),
    sign: () => signature,
  };
  const claim = readClaim(deployment, project, records);
  if (claim === undefined) throw new Error('it says of which server it is');
  const puts: Deployment[] = [];
  const request = async ({ method, path, body }: ApiRequest): Promise<unknown> => {
    if (method === 'PUT') puts.push(body as Deployment);
    return path.includes('/deployments/') ? deployment : { items: [] };
  };
  const ports = {
    cluster: { request },
    settings: { ...settings, records },
    managedBy: settings.managedBy,
  } as unknown as KubernetesPorts;
  const step = {
    ...{ id: 'fs/put-server', text: '', after: [], cause: { kind: 'change', server: one.spec.name } },
    ...{ op: 'put-server', name: 'looms-fs', generation: 1, newPods: false, counts: true },
    replicas: { least: 3, most: 3 },
    over: overDeployment({ deployment, claim }),
  } as unknown as Parameters<typeof putServer>[3];
  await putServer(ports, { project, namespace } as Observed, three, step, {});
  const [put] = puts;
  if (put === undefined) throw new Error('something is written');
  expect(put.spec.template).toEqual(deployment.spec.template);
  return put;
}

test('another number of pods leaves those that are there, whether it can be signed or not', async () => {
  const record = recordSpec(three.spec, three.image.ref);
  for (const signature of ['again', undefined]) {
    const { metadata, spec } = await scaled(signature);
    expect(spec.replicas).toBe(3);
    expect(metadata.annotations).toMatchObject({ [annotation.record]: record, [annotation.image]: digest });
    expect(metadata.annotations?.[annotation.signature]).toBe(signature);
  }
});

test('what others hang on a Deployment stays there', async () => {
  const held = {
    finalizers: ['example.com/keep'],
    ownerReferences: [{ uid: 'o', kind: 'Project', name: 'team' }],
  };
  expect((await scaled('again', held)).metadata).toMatchObject(held);
});

test('a Deployment that is being deleted is not written to', async () => {
  const ending = { deletionTimestamp: '2026-11-28T10:00:00Z', finalizers: ['foregroundDeletion'] };
  await expect(scaled('again', ending)).rejects.toMatchObject({ code: 'engine-conflict' });
});

describe('the Secret of new pods', () => {
  const taken = server('fs', {
    mcp: { command: 'node', env: { TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: 'token' }] } } },
  });
  const ours = { [label.managedBy]: 'looms', [label.project]: project, [label.server]: 'fs' };
  /** What is made of a server where the cluster has a Secret of the name that its values give. */
  const madeOver = async (more: Partial<Metadata>): Promise<readonly string[]> => {
    const made: string[] = [];
    let name = '';
    const request = async ({ method, path, body }: ApiRequest): Promise<unknown> => {
      if (method === 'GET') return { items: [{ metadata: { name, ...more } }] };
      const { kind, metadata } = body as KubeObject;
      if (kind === 'Secret') {
        name = metadata.name;
        throw new LoomsError('engine-conflict', `cannot POST ${path}: it is there`);
      }
      made.push(kind ?? '');
      return body;
    };
    const ports = {
      cluster: { request },
      settings: { registry: undefined, relayImage: 'relay', records: { sign: () => 'ours' } },
      managedBy: 'looms/1.0.0',
      containerSecrets: async () => ({ values: { TOKEN: 'x' }, prints: { key: 'k', variables: { TOKEN: 'print' } } }),
    } as unknown as KubernetesPorts;
    const step = { op: 'put-server', name: 'looms-fs', generation: 1, newPods: true, replicas: { least: 1, most: 1 } };
    await putServer(ports, { project, namespace } as Observed, taken, step as Parameters<typeof putServer>[3], {});
    return made;
  };

  it('is that of an earlier generation with the same values, whichever network that had', async () => {
    expect(await madeOver({ labels: { ...ours, [label.network]: 'none' } })).toEqual(['Deployment']);
  });

  it.each([
    ['somebody else made', {}],
    ['says that it is another server’s', { labels: { ...ours, [label.server]: 'other' } }],
    ['is about to go', { labels: ours, deletionTimestamp: '2026-11-28T10:00:00Z' }],
  ])('is none that %s', async (_, more) => {
    await expect(madeOver(more)).rejects.toMatchObject({ code: 'engine-conflict', hint: expect.anything() });
  });
});
