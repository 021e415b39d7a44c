import { describe, expect, test } from 'vitest';
import type { LoadedSpecs } from '../../../src/app/plan/load-specs.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { createSource, runOrRepair } from '../../../src/app/watch/source.ts';
import type { GitSource } from '../../../src/files/port.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asProjectName } from '../../../src/model/ids.ts';
import type { Change, Reason } from '../../../src/model/plan.ts';
import type { Prepared } from '../../../src/orchestrator/port.ts';
import { server } from '../../support/planner-world.ts';

const loaded = (hash: string): LoadedSpecs => ({
  servers: [{ ...server('fs'), hash }],
  recipes: new Map(),
  diagnostics: [],
  texts: [],
  files: [],
  locate: () => undefined,
});

const planned = (change: Pick<Change, 'action'> & { readonly reasons?: readonly Reason[] }) =>
  ({ plan: { changes: [{ server: 'fs', ...change }] } }) as unknown as Prepared;

const fields = [{ path: 'memory', from: '64', to: '96' }] as const;
const update = planned({ action: 'replace', reasons: [{ kind: 'spec-changed', fields }] });
const removal = planned({ action: 'remove', reasons: [{ kind: 'not-in-spec' }] });
const repair = planned({ action: 'start', reasons: [{ kind: 'exited', exitCode: 1, outOfMemory: false }] });

type Says = { hash: string; isEmpty?: boolean; policiesFail?: boolean };

/** A source that declares what `says` holds by then, and was read once. */
async function read(says: Says, look?: GitSource['look']) {
  const source = createSource(
    { forgetSecrets: () => {}, pause: async () => {}, now: () => 0 } as unknown as Ports,
    {
      project: asProjectName('p'),
      readPolicies: async () => {
        if (says.policiesFail) throw new LoomsError('spec-invalid', 'looms.yaml cannot be read');
        return [];
      },
      read: async () => (says.isEmpty ? { ...loaded(says.hash), servers: [] } : loaded(says.hash)),
      ...(look === undefined ? {} : { remote: { held: () => undefined, look } }),
      tell: () => {},
      record: { sourceRead: () => {} } as never,
      stop: new AbortController().signal,
    },
    { back: () => {} } as never,
    () => {},
  );
  const first = await source.read();
  if (first === undefined) throw new Error('nothing was read');
  return { ask: (again: Prepared) => source.requireSame(first, again) };
}

describe('what is declared, once the lock is held', () => {
  test('is as it was, or the plan that was made of it is not carried out', async () => {
    const files = { hash: 'a' };
    const { ask } = await read(files);
    await ask(update);
    files.hash = 'b';
    await expect(ask(update)).rejects.toMatchObject({ code: 'plan-stale' });
    await expect(ask(repair)).rejects.toMatchObject({ code: 'plan-stale' });
  });

  test('is what it was where it cannot be used: emptied, or beside a looms.yaml that cannot be read', async () => {
    const files: Says = { hash: 'a' };
    const { ask } = await read(files);
    files.isEmpty = true;
    await ask(repair);
    files.isEmpty = false;
    files.hash = 'b';
    files.policiesFail = true;
    await ask(repair);
    files.policiesFail = false;
    await expect(ask(repair)).rejects.toMatchObject({ code: 'plan-stale' });
  });

  test('is what the repository says then: another loop may have applied a newer commit', async () => {
    const taken = { hash: 'older' };
    const { ask } = await read(taken, async () => {
      taken.hash = 'newer';
      return true;
    });
    await expect(ask(update)).rejects.toMatchObject({ code: 'plan-stale' });
  });

  test('is not known while the repository is away: repairs go on, and nothing is declared otherwise', async () => {
    const { ask } = await read({ hash: 'a' }, async () => {
      throw new LoomsError('source-unreachable', 'away');
    });
    await ask(repair);
    for (const one of [update, removal]) await expect(ask(one)).rejects.toMatchObject({ code: 'source-unreachable' });
  });

  test('stays what it was where the newest commit is refused', async () => {
    const { ask } = await read({ hash: 'a' }, async () => {
      throw new LoomsError('refused', 'not signed');
    });
    await ask(update);
    await ask(removal);
  });
});

describe('while it cannot be found out whether something newer is declared', () => {
  const away = new LoomsError('source-unreachable', 'away');
  const planOf = (...changes: readonly Prepared[]): Prepared => {
    const [first = repair] = changes;
    return {
      ...first,
      plan: { ...first.plan, steps: [], support: [], changes: changes.flatMap((one) => one.plan.changes) },
    };
  };
  const named = (server: string, { plan }: Prepared): Prepared =>
    ({ plan: { changes: plan.changes.map((change) => ({ ...change, server })) } }) as unknown as Prepared;
  const changed = named('changed', update);
  const removed = named('removed', removal);
  const broken = named('broken', repair);

  /** Which servers were run, in turn; each run that declares something otherwise gets no answer. */
  async function runs(work: Prepared, later: Prepared): Promise<{ ran: unknown[]; failure: unknown }> {
    const ran: unknown[] = [];
    const run = async ({ plan: { changes } }: Prepared): Promise<void> => {
      ran.push(changes.map(({ server }) => server));
      if (changes.some(({ server }) => server !== 'broken')) throw away;
    };
    const failure = await runOrRepair(work, run, async (servers) => {
      expect(servers).toEqual(['broken']);
      return later;
    }).catch((error: unknown) => error);
    return { ran, failure };
  }

  test('servers that are declared as before are repaired once, and the rest goes on waiting', async () => {
    const ofBroken = planOf(broken);
    expect(await runs(planOf(changed, broken, removed), ofBroken)).toEqual({
      ran: [['changed', 'broken', 'removed'], ['broken']],
      failure: away,
    });
    expect(await runs(ofBroken, ofBroken)).toEqual({ ran: [['broken']], failure: undefined });
    expect(await runs(planOf(changed, removed), ofBroken)).toEqual({ ran: [['changed', 'removed']], failure: away });
  });

  test('nothing is run again where the repair is made by then, or declares something otherwise itself', async () => {
    const both = [['changed', 'broken']];
    expect(await runs(planOf(changed, broken), planOf())).toEqual({ ran: both, failure: away });
    expect(await runs(planOf(changed, broken), planOf(changed))).toEqual({
      ran: [...both, ['changed']],
      failure: away,
    });
  });
});
