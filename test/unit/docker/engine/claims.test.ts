import { expect, test } from 'vitest';
import { isBelieved, readClaim } from '../../../../src/docker/model/claims.ts';

const labels = {
  'looms.project': 'shop',
  'looms.role': 'server',
  'looms.server': 'fs',
  'looms.generation': '3',
  'looms.spec': '{}',
};
const imageId = `sha256:${'1'.repeat(64)}`;

test('a claim is read only when each part of it is as looms writes it', () => {
  expect(readClaim(labels)).toEqual({ project: 'shop', role: 'server', server: 'fs', generation: 3 });
  expect(readClaim({ 'looms.project': 'shop', 'looms.role': 'relay' })).toMatchObject({ role: 'relay', generation: 0 });
  for (const [key, value] of [
    ['looms.project', 'Shop/..'],
    ['looms.role', 'admin'],
    ['looms.server', '-fs\u001b'],
    ['looms.generation', '-1'],
  ] as const) {
    expect(readClaim({ ...labels, [key]: value }), key).toBeUndefined();
    const { [key]: _, ...without } = labels;
    expect(readClaim(without), `without ${key}`).toBeUndefined();
  }
});

test('the id of its image binds labels to a container, whatever the image says', () => {
  const bound = { ...labels, 'looms.image-id': imageId };
  expect(isBelieved({ labels: bound, imageId, imageLabels: labels })).toBe(true);
  expect(isBelieved({ labels: bound, imageId: 'sha256:2', imageLabels: {} })).toBe(false);
});

test('without it nothing is believed that the image says too, nor anything of an image that is gone', () => {
  expect(isBelieved({ labels, imageId, imageLabels: { 'looms.role': 'server' } })).toBe(true);
  expect(isBelieved({ labels, imageId })).toBe(false);
  for (const key of ['looms.project', 'looms.server', 'looms.generation', 'looms.spec']) {
    expect(isBelieved({ labels, imageId, imageLabels: { [key]: 'other' } }), key).toBe(false);
  }
});
