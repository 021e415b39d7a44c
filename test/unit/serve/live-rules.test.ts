import { afterEach, expect, test } from 'vitest';
import { asSeen, followRules, issuedNow, type Rules } from '../../../src/app/serve/live-rules.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { type ServeSettings, usualServe } from '../../../src/model/serve-settings.ts';
import type { Bearers } from '../../../src/serve/access/bearers.ts';
import { eventually } from '../../support/eventually.ts';

const over: AbortController[] = [];
afterEach(() => {
  for (const one of over.splice(0)) one.abort();
});

const known: Bearers = async () => ({
  kind: 'known',
  grant: { kind: 'oidc', name: 'a', groups: [], scopes: 'all', isValid: () => true, endsAt: Number.POSITIVE_INFINITY },
});
const rulesOf = (settings: ServeSettings): Rules => ({
  settings,
  guarding: {},
  tokens: [],
  issued: settings.oidc === undefined ? undefined : async (token) => known(token),
});

/** Rules that follow what `says` is set to. */
function follow(first: ServeSettings) {
  const ending = new AbortController();
  over.push(ending);
  const file = { says: (): ServeSettings => first, reads: 0 };
  const told: string[] = [];
  let changed = (): void => {};
  const { now } = followRules(
    rulesOf(first),
    {
      read: async () => {
        file.reads += 1;
        return file.says();
      },
      ready: async (settings) => rulesOf(settings),
      hints: (hear) => {
        changed = hear;
      },
      // The waits of a minute never end here, so that a look has been called for.
      pause: (ms, signal) =>
        ms < 60_000
          ? new Promise((resolve) => setTimeout(resolve, 1))
          : new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      log: (text) => told.push(text),
    },
    ending.signal,
  );
  return { file, told, now, change: () => changed() };
}

test('a file that changed holds from then on, for whoever looked at it before, too', async () => {
  const { file, told, now, change } = follow(usualServe);
  const { settings } = asSeen(now);
  expect(settings.limits).toEqual({});
  file.says = () => ({ ...usualServe, limits: { callsPerMinute: 7 } });
  change();
  await eventually(() => expect(settings.limits).toEqual({ callsPerMinute: 7 }));
  expect(told).toEqual(['looms.yaml has changed: its rules hold from now on']);
});

test('what a start is needed for is named, and stays as it was', async () => {
  const { file, told, now, change } = follow(usualServe);
  const { settings } = asSeen(now);
  file.says = () => ({ ...usualServe, publicUrl: 'https://b.example', listen: '127.0.0.1:1' });
  change();
  await eventually(() =>
    expect(told).toEqual([
      'looms.yaml has changed: its rules hold from now on; listen, publicUrl when it is started again',
    ]),
  );
  expect(settings).not.toHaveProperty('publicUrl');
});

test('one that cannot be used leaves in force what was read last, and is said once', async () => {
  const first = { ...usualServe, limits: { inFlight: 3 } };
  const { file, told, now, change } = follow(first);
  file.says = () => {
    throw new LoomsError('spec-invalid', 'looms.yaml cannot be used: 1 error');
  };
  for (const reads of [1, 2]) {
    change();
    await eventually(() => expect(file.reads).toBe(reads));
  }
  file.says = () => ({ ...first, limits: { inFlight: 4 } });
  expect(now().settings.limits).toEqual({ inFlight: 3 });
  change();
  await eventually(() => expect(now().settings.limits).toEqual({ inFlight: 4 }));
  expect(told).toEqual([
    'looms.yaml cannot be used: 1 error (`looms validate` says more); the rules of looms.yaml that were read last hold on',
    'looms.yaml has changed: its rules hold from now on',
  ]);
});

test('a file that is being written is waited for', async () => {
  const { file, now, change } = follow({ ...usualServe, limits: { inFlight: 3 } });
  const seen: unknown[] = [];
  // Emptied, and then whole.
  file.says = () => {
    seen.push(now().settings.limits);
    return file.reads < 3 ? usualServe : { ...usualServe, limits: { inFlight: 5 } };
  };
  file.reads = 1;
  change();
  await eventually(() => expect(now().settings.limits).toEqual({ inFlight: 5 }));
  expect(seen).toEqual([{ inFlight: 3 }, { inFlight: 3 }, { inFlight: 3 }]);
});

test('what an issuer granted is over when another one is named', async () => {
  const oidc = { issuer: 'https://a.example', audience: 'x', groupsClaim: 'groups', allow: [] };
  const { file, now, change } = follow({ ...usualServe, oidc });
  const found = await issuedNow(now)('token');
  if (found.kind !== 'known') throw new Error(found.why);
  expect(found.grant.isValid()).toBe(true);
  file.says = () => usualServe;
  change();
  await eventually(() => expect(found.grant.isValid()).toBe(false));
  expect((await issuedNow(now)('token')).kind).toBe('unknown');
});
