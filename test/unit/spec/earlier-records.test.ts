import { describe, expect, test } from 'vitest';
import { readEnv } from '../../../src/docker/engine/containers/docker-to-shape.ts';
import { observedContainer } from '../../../src/docker/engine/listing/observed-container.ts';
import { networkName } from '../../../src/docker/model/labels.ts';
import type { ImageFacts } from '../../../src/docker/model/shape.ts';
import type { DeclaredServer } from '../../../src/model/desired.ts';
import { asImageId, asNetworkId, asProjectName } from '../../../src/model/ids.ts';
import { loadDocuments } from '../../../src/spec/load.ts';
import { readRecordedSpec, recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { checkRules } from '../../../src/spec/record/record-rules.ts';
import { type EarlierContainer, type EarlierVersion, earlierVersions } from '../../support/earlier-records.ts';
import { emptyEngine, plan } from '../../support/planner-world.ts';

/** What looms of today reads in the specs of then, with the images that the earlier version gave their servers. */
function declared({ containers, directory, specs }: EarlierVersion): DeclaredServer[] {
  const files = specs.map((spec) => ({ ...spec, directory }));
  return loadDocuments(files, { environment: {}, strict: true }).servers.flatMap(({ spec, source }) => {
    const made = containers.find(({ labels }) => labels['looms.server'] === spec.name);
    const ref = made?.labels['looms.image'];
    if (ref === undefined) return [];
    return [{ spec, image: { kind: 'built', ref, base: undefined }, hash: specHash(spec, ref), source }];
  });
}

const believed = {
  read: readRecordedSpec,
  sign: () => undefined,
  makerOf: () => ({ kind: 'here' }) as const,
};

/** A container as the engine reports it, from what was kept of such a report. */
function observed(one: EarlierContainer, index: number, { images }: EarlierVersion) {
  const image = one.labels['looms.image-id'] ?? '';
  const env = readEnv(images[image]?.Env);
  const inspected = {
    Id: String(index).padStart(64, '0'),
    Name: `/${one.name}`,
    Created: '2026-11-28T15:00:00Z',
    Image: image,
    State: { Status: 'running', Running: true, StartedAt: '2026-11-28T15:00:00Z' },
    Config: { ...one.config, Hostname: String(index).padStart(64, '0').slice(0, 12), Labels: one.labels },
    HostConfig: one.hostConfig,
    Mounts: (one.hostConfig.Mounts ?? []).map((mount) => ({
      Type: mount.Type ?? '',
      Name: mount.Source ?? '',
      Source: mount.Source ?? '',
      Destination: mount.Target ?? '',
      RW: mount.ReadOnly !== true,
    })),
    NetworkSettings: { Networks: one.networks },
  };
  const context = { kind: 'docker', limitsSwap: true, ownCgroups: true, isGone: () => false } as const;
  return observedContainer(inspected, { env, labels: {} }, context, believed);
}

const factsOf = (version: EarlierVersion, { labels }: EarlierContainer): ImageFacts => {
  const id = labels['looms.image-id'] ?? '';
  const image = version.images[id];
  return {
    id: asImageId(id),
    ref: labels['looms.image'] ?? '',
    digests: [],
    entrypoint: image?.Entrypoint ?? [],
    command: image?.Cmd ?? [],
    env: readEnv(image?.Env),
    workingDir: image?.WorkingDir ?? '',
    user: '',
    labels: {},
    architecture: 'amd64',
    hasShell: true,
  };
};

describe.each(earlierVersions)('what looms $version made', (version) => {
  const servers = declared(version);
  const live = version.containers.filter(({ labels }) => labels['looms.role'] !== 'history');
  const records = version.containers.filter(({ labels }) => labels['looms.spec'] !== undefined);

  test('is all of the examples, and more than one generation', () => {
    expect(servers.length).toBe(12);
    expect(records.length).toBeGreaterThan(servers.length);
  });

  test('has the hashes that its specs have today, though fields came that it does not know', () => {
    for (const { spec, image, hash } of servers) {
      const made = live.find(({ labels }) => labels['looms.server'] === spec.name);
      expect({ server: spec.name, hash }).toEqual({ server: spec.name, hash: made?.labels['looms.spec-hash'] });
      expect(recordSpec(spec, image.ref)).toBe(made?.labels['looms.spec']);
    }
  });

  test('is what its specs ask for today: the plan of an upgrade is empty', () => {
    const project = asProjectName(version.project);
    const images = Object.fromEntries(live.map((one) => [one.labels['looms.image'] ?? '', factsOf(version, one)]));
    const relayImage = live.find(({ labels }) => labels['looms.role'] === 'relay')?.labels['looms.image'] ?? '';
    const networks = (['isolated', 'bridge'] as const).map((mode) => ({
      name: networkName(project, mode),
      internal: mode === 'isolated',
      driver: 'bridge',
      options: {},
      id: asNetworkId(mode),
      ours: true,
      members: [],
    }));
    const containers = live.map((one, index) => observed(one, index, version));
    const engine = emptyEngine({ project, images, containers, networks });
    const made = plan(servers, engine, { project, relayImage, managedBy: 'looms/0.1.0' });
    expect(made.drift).toEqual([]);
    expect(made.changes.filter(({ action }) => action !== 'unchanged')).toEqual([]);
    expect(made.steps).toEqual([]);
  });

  test('can be gone back to: each of its records is read, and holds against the rules of today', () => {
    for (const { name, labels } of records) {
      const recorded = readRecordedSpec(labels['looms.spec'] ?? '');
      expect(recorded?.spec.hostname, name).toBe('');
      expect(recorded && checkRules(recorded.spec).allowed, name).toBe(true);
    }
  });
});
