import { describe, expect, it } from 'vitest';
import { readClaim, signedText } from '../../../src/kubernetes/model/claims.ts';
import { type ImageDigest, withDigest } from '../../../src/kubernetes/model/image-digest.ts';
import {
  annotation,
  isSecretName,
  secretName,
  secretPrint,
  workloadName,
} from '../../../src/kubernetes/model/names.ts';
import type { Deployment, KubeObject } from '../../../src/kubernetes/model/objects.ts';
import type { Observed, Workload } from '../../../src/kubernetes/model/observed.ts';
import { deploymentOf } from '../../../src/kubernetes/objects/objects.ts';
import { findDrift, madeAsThere } from '../../../src/kubernetes/plan/drift.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { SecretPrints } from '../../../src/model/secrets/secret-prints.ts';
import { recordSigner } from '../../../src/state/record-signer.ts';
import { project, server } from '../../support/planner-world.ts';

const settings = {
  project,
  registry: undefined,
  relayImage: 'relay',
  managedBy: 'looms/1.0.0',
  recordOf: () => 'record',
};

type Made = {
  readonly secret?: string;
  readonly prints?: SecretPrints;
  /** By which its pods pull its image. */
  readonly digest?: string;
  /** The digest that was signed with its record. */
  readonly signed?: ImageDigest;
};

/** A server as looms wrote it, whose pods take their secrets from this Secret. */
function there(name: string, { secret = secretName(asServerName(name)), prints, digest, signed }: Made = {}): Workload {
  const declared = server(name, {
    mcp: {
      command: 'node',
      args: ['server.js'],
      env: { TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: 'token' }] } },
    },
  });
  const { spec, hash, image } = declared;
  const made = deploymentOf(declared, settings, { secret, digest, annotations: {}, podAnnotations: {} }) as Deployment;
  const deployment: Deployment = {
    ...made,
    metadata: { ...made.metadata, annotations: { ...made.metadata.annotations, [annotation.record]: 'record' } },
  };
  const claim = {
    server: spec.name,
    generation: 1,
    recorded: { spec, image: image.ref },
    specHash: hash,
    managedBy: '',
    ...(prints === undefined ? {} : { secretPrints: prints }),
    ...(signed === undefined ? {} : { image: signed }),
  };
  return { server: spec.name, deployment, claim, generations: [] };
}

const observed = (servers: readonly Workload[], support: readonly KubeObject[] = []) =>
  ({
    project,
    servers,
    space: null,
    support: new Map(support.map((one) => [`${one.kind} ${one.metadata.name}`, one])),
  }) as unknown as Observed;

const refused = (status: number, message: string) =>
  new LoomsError('engine-rejected', message, {
    cause: Object.assign(new Error(message), { refusal: { status, reason: '' } }),
  });

/** A cluster that answers a dry run with what it was asked to write. */
function clusterOf(refusal: (request: ApiRequest) => Error | undefined = () => undefined) {
  const asked: string[] = [];
  const cluster = {
    async request(request: ApiRequest) {
      asked.push(request.path.split('/').at(-1) ?? '');
      await new Promise((resolve) => setTimeout(resolve, request.path.includes('configmaps') ? 1 : 5));
      const error = refusal(request);
      if (error !== undefined) throw error;
      return request.body;
    },
  } as unknown as Cluster;
  return { cluster, asked };
}
const isOf =
  (name: string) =>
  ({ path }: ApiRequest): boolean =>
    path.endsWith(`/${workloadName(asServerName(name))}`);

describe('what was changed by hand', () => {
  it('is looked for over the version that is there, where the cluster was taught the kind, and anew where that is past', async () => {
    const policy = (resourceVersion: string, more: object = {}): KubeObject => ({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'looms-a-names-1', namespace: `looms-${project}`, resourceVersion },
      ...more,
    });
    const { resourceVersion: _, ...metadata } = policy('').metadata;
    const wanted = { ...policy(''), metadata, spec: { egress: [] } };
    const asked: (string | undefined)[] = [];
    const clusterAt = (version: string) =>
      ({
        async request({ method, body, path, query }: ApiRequest) {
          if (method === 'GET') {
            expect([path.split('/').at(-1), query?.fieldSelector]).toEqual([
              'ciliumnetworkpolicies',
              'metadata.name=looms-a-names-1',
            ]);
            return { items: [policy(version, { spec: { egress: ['by hand'] } })] };
          }
          asked.push((body as KubeObject).metadata.resourceVersion);
          if (asked.at(-1) !== '7') throw new LoomsError('engine-conflict', 'the object has been modified');
          return body;
        },
      }) as unknown as Cluster;
    const found = async (version: string) => {
      const at = observed([], [policy('6', { spec: { egress: [] } })]);
      return [...(await findDrift(clusterAt(version), at, [wanted], settings)).support];
    };
    expect(await found('7')).toEqual([
      ['CiliumNetworkPolicy looms-a-names-1', [{ path: 'egress', from: '["by hand"]', to: '[]' }]],
    ]);
    expect(asked).toEqual(['6', '7']);
    await expect(found('6')).rejects.toMatchObject({ code: 'engine-conflict' });
  });

  it('is looked for at the servers that are asked for, and at all where none are named', async () => {
    const { cluster, asked } = clusterOf();
    const at = observed([there('a'), there('b')]);
    const found = await findDrift(cluster, at, [], settings, { names: [asServerName('b')] });
    expect([asked, [...found.servers]]).toEqual([['looms-b'], [['b', { ofPods: [], beside: [] }]]]);
    await findDrift(cluster, at, [], settings);
    expect(asked).toEqual(['looms-b', 'looms-a', 'looms-b']);
  });

  it('is no digest that was signed with the record, and one that was not', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const found = async (more: Made) => {
      const at = observed([there('a', { digest, ...more })]);
      return (await findDrift(clusterOf().cluster, at, [], settings)).servers.get('a');
    };
    expect(await found({ signed: { kind: 'pinned', digest } })).toEqual({ ofPods: [], beside: [] });
    const { ref } = server('a').image;
    expect(await found({})).toEqual({
      ofPods: [{ path: 'containers[server].image', from: withDigest(ref, digest), to: ref }],
      beside: [{ path: `metadata.annotations.${annotation.image}`, from: digest, to: 'none' }],
    });
  });

  it('is no digest that was signed with an earlier record of the same image, whoever wrote it again', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const again = there('a', { digest });
    const earlier = (image: string): Workload => {
      const { spec } = again.claim.recorded ?? server('a');
      const claim = { ...again.claim, recorded: { spec, image }, image: { kind: 'pinned', digest } as const };
      const replicaSet = { metadata: { name: 'before' }, spec: { template: again.deployment.spec.template } };
      return { ...again, generations: [{ claim, replicaSet, pods: [], isMeant: false }] };
    };
    const found = async (one: Workload) =>
      (await findDrift(clusterOf().cluster, observed([one]), [], settings)).servers.get('a')?.ofPods.length;
    expect(await found(earlier(server('a').image.ref))).toBe(0);
    expect(await found(earlier('another:1'))).toBe(1);
  });

  it('is an image that was swapped with its digest beside it, and a signature that looks like another key’s', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const signer = recordSigner({ LOOMS_RECORD_KEY: 'a key that is long enough to be one' });
    const { deployment, claim } = there('a', { digest });
    const records = {
      read: () => claim.recorded,
      makerOf: signer.makerOf,
      hash: () => claim.specHash,
    };
    const signedBy = async (signature: string) => {
      const annotations = { ...deployment.metadata.annotations, [annotation.signature]: signature };
      const object: Deployment = { ...deployment, metadata: { ...deployment.metadata, annotations } };
      const read = readClaim(object, project, records);
      if (read === undefined) throw new Error('it says of which server it is');
      const at = observed([{ server: read.server, deployment: object, claim: read, generations: [] }]);
      return (await findDrift(clusterOf().cluster, at, [], settings)).servers.get('a')?.ofPods.length;
    };
    const said = { project, server: claim.server, generation: 1, record: 'record', digest };
    expect(await signedBy(signer.sign(signedText(said)) ?? '')).toBe(0);
    expect(await signedBy('0'.repeat(64))).toBe(1);
    expect(await signedBy(`0123456789ab:${'0'.repeat(64)}`)).toBe(1);
  });

  it('is unknown of a server whose dry run is refused, and known of the others', async () => {
    const webhook = refused(400, 'admission webhook "x" does not support dry run');
    const { cluster } = clusterOf((request) => (isOf('a')(request) ? webhook : undefined));
    const found = await findDrift(cluster, observed([there('a'), there('b')]), [], settings);
    const message = `what somebody changed of it is not known: ${webhook.message}`;
    expect(found.unknown).toEqual([{ code: 'drift-unknown', server: 'a', message }]);
    expect(found.servers.get('b')).toEqual({ ofPods: [], beside: [] });
  });

  it('is unknown of what stands behind servers where its dry run is refused, and known of the rest', async () => {
    const webhook = refused(400, 'admission webhook "x" does not support dry run');
    const { cluster } = clusterOf(({ path }) => (path.includes('networkpolicies') ? webhook : undefined));
    const named = (kind: string, name: string): KubeObject => ({ kind, metadata: { name, namespace: 'looms-a' } });
    const support = [named('NetworkPolicy', 'two'), named('ConfigMap', 'scripts'), named('NetworkPolicy', 'one')];
    const found = await findDrift(cluster, observed([], support), support, settings);
    const message = `what somebody changed of NetworkPolicy one, NetworkPolicy two is not known: ${webhook.message}`;
    expect(found).toMatchObject({ unknown: [{ code: 'drift-unknown', message }] });
    expect([...found.support]).toEqual([['ConfigMap scripts', []]]);
  });

  it.each([
    ['who asks is not known', refused(401, 'Unauthorized')],
    ['nothing answers', new LoomsError('engine-unreachable', 'gone')],
  ])('is an error where %s', async (_, error) => {
    const { cluster } = clusterOf(() => error);
    await expect(findDrift(cluster, observed([there('a')]), [], settings)).rejects.toBe(error);
  });

  it('is one error where both servers and what they stand on fail', async () => {
    const errors: unknown[] = [];
    const hear = (error: unknown) => errors.push(error);
    process.on('unhandledRejection', hear);
    const { cluster } = clusterOf(() => new LoomsError('engine-unreachable', 'gone'));
    const scripts: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'looms-scripts' } };
    await expect(findDrift(cluster, observed([there('a')], [scripts]), [scripts], settings)).rejects.toThrow('gone');
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', hear);
    expect(errors).toEqual([]);
  });
});

describe('the Secret of a server', () => {
  const prints: SecretPrints = { key: '0123456789ab', values: { TOKEN: '0'.repeat(32) } };
  const own = secretName(asServerName('a'), secretPrint(prints));

  it('is not another server’s whose name begins alike', () => {
    const a = asServerName('a');
    expect(['looms-a-env', 'looms-a-env-0123456789ab'].every((name) => isSecretName(a, name))).toBe(true);
    const others = [
      'looms-a-env-b-env-0123456789ab',
      'looms-a-env-0123456789',
      'looms-ab-env',
      'looms-a-env-0123456789abc',
    ];
    expect(others.some((name) => isSecretName(a, name))).toBe(false);
  });

  it('is the one of the values that its Deployment says; another one is drift', async () => {
    const { cluster } = clusterOf();
    const drift = async (secret: string) =>
      (await findDrift(cluster, observed([there('a', { secret, prints })]), [], settings)).servers.get('a')?.ofPods;
    expect(await drift(own)).toEqual([]);
    const other = 'looms-a-env-ffffffffffff';
    expect(await drift(other)).toMatchObject([
      { path: expect.stringContaining('secretKeyRef.name'), from: other, to: own },
    ]);
  });

  it('is the one that it names where nothing says which, but none of another server', () => {
    const named = 'looms-a-env-ffffffffffff';
    expect(madeAsThere(there('a', { secret: named })).secret).toBe(named);
    expect(madeAsThere(there('a', { secret: 'looms-a-env-b-env-ffffffffffff' })).secret).toBe('looms-a-env');
  });
});
