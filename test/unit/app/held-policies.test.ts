import { expect, test } from 'vitest';
import { heldPolicies } from '../../../src/app/serve/held-policies.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { Policies } from '../../../src/model/policy.ts';

/** Stands for the policies of one file. */
const saying = (file: string): Policies => [{ file }] as unknown as Policies;

test('policies are read anew once they are a minute old, or sooner where that is asked; one that is wrong leaves the last in force, and is said once', async () => {
  let now = 0;
  let read: () => Promise<Policies> = async () => saying('second');
  let reads = 0;
  const said: string[] = [];
  const policies = heldPolicies(saying('first'), {
    read: () => {
      reads += 1;
      return read();
    },
    monotonicMs: () => now,
    warn: ({ message, hint }) => said.push(`${message}: ${hint}`),
  });
  expect(await policies.now()).toEqual(saying('first'));
  now = 60_000;
  expect(await Promise.all([policies.now(), policies.now()])).toEqual([saying('second'), saying('second')]);
  expect(reads).toBe(1);
  read = async () => saying('third');
  expect(await policies.now()).toEqual(saying('second'));
  await policies.readAnew();
  expect(await policies.now()).toEqual(saying('third'));

  read = async () => {
    throw new LoomsError('spec-invalid', 'policy.yaml cannot be used', { hint: 'mend it' });
  };
  await policies.readAnew();
  await policies.readAnew();
  expect(await policies.now()).toEqual(saying('third'));
  expect(said).toEqual(['policy.yaml cannot be used; what was read of the policies last stays in force: mend it']);
  read = async () => saying('fourth');
  now += 60_000;
  expect(await policies.now()).toEqual(saying('fourth'));
});
