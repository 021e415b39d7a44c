import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readKept } from '../../../src/app/inspect/read-kept.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { asContainerId, asProjectName } from '../../../src/model/ids.ts';
import { readExecutions } from '../../../src/state/executions.ts';
import { readHealth } from '../../../src/state/health.ts';
import { trailIn, writeCalls } from '../../support/audit-calls.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'looms-damaged-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = { engine: 'E', project: asProjectName('p') };
const containers = [asContainerId('c1')];

function portsOn(path: string): Ports {
  return {
    countExecutions: (ids) => readExecutions(path, ids),
    readHealth: (place) => readHealth(path, place),
  } as Partial<Ports> as Ports;
}

it.each([
  ['garbage', (path: string) => writeFileSync(path, 'no database '.repeat(500)), 'no SQLite database'],
  ['cut short', (path: string) => truncateSync(path, Math.floor(readFileSync(path).length / 2)), 'damaged'],
  [
    'a folder',
    (path: string) => {
      rmSync(path);
      mkdirSync(path);
    },
    'no regular file',
  ],
])('a ledger that is %s costs calls and health, and one notice says so', async (_, damage, why) => {
  await writeCalls(folder, 1);
  const { database } = trailIn(folder).places;
  damage(database);
  const kept = await readKept(portsOn(database), containers, at);
  const notice = { code: 'calls-unknown', message: expect.stringContaining(why) };
  expect(kept).toEqual({ counts: undefined, health: new Map(), notices: [notice] });
});

it('a ledger that is whole has no notice', async () => {
  await writeCalls(folder, 1);
  const kept = await readKept(portsOn(trailIn(folder).places.database), containers, at);
  expect(kept).toEqual({ counts: new Map([['c1', 1]]), health: new Map(), notices: [] });
});
