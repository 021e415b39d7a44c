import { expect, test } from 'vitest';
import { planWithinRules } from '../../../src/app/watch/within-rules.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName, type ServerName } from '../../../src/model/ids.ts';
import type { Change } from '../../../src/model/plan.ts';

const refused = new LoomsError('refused', 'a rule is broken');

/**
 * A change of each kind that a rule can be about, and a rule that refuses what `isRefused` says of the servers planned:
 * all of them, or a part.
 */
function world(isRefused: (planned: readonly string[]) => boolean, part?: readonly string[]) {
  const named = part?.map((name) => asServerName(name));
  const reasons = [{ kind: 'exited', exitCode: 1, outOfMemory: false }];
  const changes = [
    { server: 'gone', action: 'remove', reasons: [{ kind: 'not-in-spec' }] },
    { server: 'new', action: 'create', reasons: [{ kind: 'missing' }] },
    { server: 'other', action: 'replace', reasons: [{ kind: 'spec-changed', fields: [] }] },
    { server: 'stopped', action: 'start', reasons },
  ].map((change) => ({ ...change, server: asServerName(change.server) })) as unknown as readonly Change[];
  const planOf = (only?: readonly ServerName[]) => ({
    plan: { changes: changes.filter(({ server }) => only === undefined || only.includes(server)) },
  });
  const names = ({ plan }: ReturnType<typeof planOf>) => plan.changes.map(({ server }) => server);
  return async () => {
    const { whole, work, refusal } = await planWithinRules({
      plan: async (only = named) => {
        const planned = planOf(only);
        if (isRefused(names(planned))) throw refused;
        return planned;
      },
      planAnyway: async () => planOf(named),
      declared: named ?? ['new', 'other', 'stopped', 'well'].map((name) => asServerName(name)),
    });
    return { whole: names(whole), work: names(work), refusal };
  };
}

const all = ['gone', 'new', 'other', 'stopped'];

test('what breaks no rule is carried out whole', async () => {
  expect(await world(() => false)()).toEqual({ whole: all, work: all, refusal: undefined });
});

test.each([
  ['removals', 'gone', ['new', 'other', 'stopped']],
  ['other specs', 'other', ['new', 'stopped']],
  ['new servers', 'new', ['stopped']],
])('a rule that forbids %s keeps no server from being repaired', async (_, forbidden, work) => {
  expect(await world((planned) => planned.includes(forbidden))()).toEqual({ whole: all, work, refusal: refused });
});

test('where the repairs break a rule too, nothing is done, and what else is looked at goes on', async () => {
  const nothing = { whole: all, work: [], refusal: refused };
  expect(await world((planned) => planned.length > 0)()).toEqual(nothing);
});

test('what is refused of nothing too is refused', async () => {
  await expect(world(() => true)()).rejects.toBe(refused);
});

test('of a part without a server that is left alone, the rest is done within the rules too', async () => {
  // Without the other one, which would have given back memory, there is no room for the new one.
  const isRefused = (planned: readonly string[]) => planned.includes('new') && !planned.includes('other');
  const { work, refusal } = await world(isRefused, ['new', 'stopped', 'well'])();
  expect({ work, refusal }).toEqual({ work: ['stopped'], refusal: refused });
});

test('what else is in the way of a plan is no rule', async () => {
  const away = new LoomsError('engine-unreachable', 'away');
  const plan = async () => {
    throw away;
  };
  await expect(planWithinRules({ plan, planAnyway: plan, declared: [] })).rejects.toBe(away);
});
