import { expect, test } from 'vitest';
import { asContainerId, namesOfContainer, shortId } from '../../../src/model/ids.ts';

const digits = '0123456789abcdef'.repeat(4);
const pod = asContainerId('5d0f3c1e-9a52-4c1c-8f0d-6a2b7f3f9a10/looms-team/looms-fs-6d5f7c9b8-x2x4z');

test.each([
  ['a container', digits, '0123456789ab'],
  ['an image', `sha256:${digits}`, '0123456789ab'],
  ['an image as a node names it', `registry.example/team/fs@sha256:${digits}`, '0123456789ab'],
  ['a pod', pod, 'looms-fs-6d5f7c9b8-x2x4z'],
  ['what is none of them', 'a/b/c/d/e/f/g/h', 'a/b/c/d/e/f/'],
])('%s is called by what tells it from others', (_, id, short) => {
  expect(shortId(id)).toBe(short);
});

test('a container is named by both, and a pod once', () => {
  expect(namesOfContainer('looms-team-fs', asContainerId(digits))).toEqual(['looms-team-fs', '0123456789ab']);
  expect(namesOfContainer('looms-fs-6d5f7c9b8-x2x4z', pod)).toEqual(['looms-fs-6d5f7c9b8-x2x4z']);
});
