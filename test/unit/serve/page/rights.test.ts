import { expect, test } from 'vitest';
import { ownGrant } from '../../../../src/serve/access/guard.ts';
import { hasRight, rightsOf, seesPage } from '../../../../src/serve/page/rights.ts';

const token = (...scopes: string[]) => ({ kind: 'token', scopes }) as const;
const nothing = { logs: false, audit: false, operate: false };
const all = { logs: true, audit: true, operate: true };

test('whoever has the socket may do all', () => {
  expect(rightsOf(ownGrant)).toEqual(all);
  expect(seesPage(ownGrant)).toBe(true);
});

test('the token of a token file reads all and operates nothing', () => {
  const grant = { kind: 'token', scopes: 'all' } as const;
  expect(seesPage(grant)).toBe(true);
  expect(rightsOf(grant, 'fs')).toEqual({ ...all, operate: false });
});

test('a token for tools sees nothing of the page, whatever stars are in it', () => {
  for (const scope of ['*:*', 'fs:*', '*:page', 'loom*:operate', '*:operate/fs']) {
    expect(seesPage(token(scope))).toBe(false);
    expect(rightsOf(token(scope), 'fs')).toEqual(nothing);
  }
});

test('each right is a scope of its own', () => {
  expect(seesPage(token('looms:page'))).toBe(true);
  expect(rightsOf(token('looms:page'), 'fs')).toEqual(nothing);
  expect(rightsOf(token('looms:logs'), 'fs')).toEqual({ ...nothing, logs: true });
  expect(rightsOf(token('looms:audit'))).toEqual({ ...nothing, audit: true });
  expect(rightsOf(token('looms:operate'), 'fs')).toEqual({ ...nothing, operate: true });
  expect(rightsOf(token('looms:*'), 'fs')).toEqual(all);
  expect(rightsOf(token('looms:*'))).toEqual(all);
});

test('a right may be that of some servers, and then holds for no other and not for the project', () => {
  const grant = token('looms:page/fs', 'looms:logs/team-*', 'looms:*/web');
  expect(seesPage(grant)).toBe(true);
  expect(hasRight(grant, 'page', 'fs')).toBe(true);
  expect(hasRight(grant, 'page', 'fs2')).toBe(false);
  expect(hasRight(grant, 'page')).toBe(false);
  expect(rightsOf(grant, 'team-a')).toEqual({ ...nothing, logs: true });
  expect(rightsOf(grant, 'web')).toEqual(all);
  expect(rightsOf(grant)).toEqual(nothing);
});
