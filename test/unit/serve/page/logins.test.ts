import { expect, test } from 'vitest';
import { type Grant, ownGrant } from '../../../../src/serve/access/guard.ts';
import { createLogins } from '../../../../src/serve/page/logins.ts';

function atClock() {
  const clock = { at: 1_000_000 };
  const read = (): number => clock.at;
  return { clock, logins: createLogins({ now: read, monotonicMs: read }) };
}

const tokenGrant = (name: string, more: Partial<Grant> = {}): Grant => ({
  ...ownGrant,
  kind: 'token',
  name,
  scopes: ['looms:page'],
  ...more,
});

test('a code lets in once', () => {
  const { logins } = atClock();
  const code = logins.makeCode();
  expect(logins.redeem(`${code}x`)).toBe(false);
  expect(logins.redeem(code)).toBe(true);
  expect(logins.redeem(code)).toBe(false);
  expect(logins.redeem('')).toBe(false);
});

test('a code is none after a minute', () => {
  const { clock, logins } = atClock();
  const [early, late] = [logins.makeCode(), logins.makeCode()];
  clock.at += 59_999;
  expect(logins.redeem(early)).toBe(true);
  clock.at += 1;
  expect(logins.redeem(late)).toBe(false);
});

test('of codes that nobody redeems the oldest goes', () => {
  const { logins } = atClock();
  const codes = Array.from({ length: 17 }, () => logins.makeCode());
  expect(codes.map((code) => logins.redeem(code))).toEqual([false, ...Array(16).fill(true)]);
});

test('a session says who it is of, and what that one may do', () => {
  const { logins } = atClock();
  expect(logins.open(ownGrant)).toMatchObject({
    principal: 'local',
    may: { logs: true, audit: true, operate: true },
    expiresAt: new Date(1_000_000 + 12 * 3_600_000).toISOString(),
  });
  expect(logins.open(tokenGrant('ci'))).toMatchObject({ principal: 'ci', may: { operate: false } });
});

test('a session is over when it was ended, when its time has come, and when the token behind it is revoked', () => {
  const { clock, logins } = atClock();
  let isRevoked = false;
  const [ended, late, revoked, early] = [
    logins.open(ownGrant),
    logins.open(ownGrant),
    logins.open(tokenGrant('ci', { isValid: () => !isRevoked })),
    logins.open(tokenGrant('short', { endsAt: clock.at + 10 })),
  ].map((session) => session?.token ?? '');
  const found = () => [ended, late, revoked, early].map((key) => logins.find(key ?? '')?.name);
  expect(found()).toEqual(['local', 'local', 'ci', 'short']);
  const grant = logins.find(ended ?? '');
  logins.close(ended ?? '');
  expect(grant?.isValid()).toBe(false);
  expect(found()).toEqual([undefined, 'local', 'ci', 'short']);
  isRevoked = true;
  clock.at += 10;
  expect(found()).toEqual([undefined, 'local', undefined, undefined]);
  clock.at += 12 * 3_600_000;
  expect(found()).toEqual([undefined, undefined, undefined, undefined]);
});

test('of too many sessions of one principal the oldest goes, and nobody loses one to somebody else', () => {
  const { logins } = atClock();
  const first = logins.open(tokenGrant('a'))?.token ?? '';
  for (let n = 0; n < 15; n += 1) logins.open(tokenGrant('a'));
  expect(logins.find(first)?.name).toBe('a');
  logins.open(tokenGrant('a'));
  expect(logins.find(first)).toBeUndefined();
  for (let n = 0; n < 240; n += 1) expect(logins.open(tokenGrant(`b${n}`))).toBeDefined();
  expect(logins.open(tokenGrant('c'))).toBeUndefined();
  expect(logins.open(tokenGrant('a'))).toBeDefined();
});
