import { describe, expect, test } from 'vitest';
import type { LoadedSpecs } from '../../../src/app/plan/load-specs.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { createSource } from '../../../src/app/watch/source.ts';
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
