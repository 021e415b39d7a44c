import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type HealthFinding, standingOf } from '../../../src/model/health.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import { executionCounter, readExecutions } from '../../../src/state/executions.ts';
import { readHealth, recordHealth } from '../../../src/state/health.ts';
import { openLedger } from '../../../src/state/ledger.ts';

const newLedger = (): string => join(mkdtempSync(join(tmpdir(), 'looms-health-')), 'ledger.sqlite');
async function countOne(path: string): Promise<void> {
  const database = await openLedger(path);
  executionCounter(database)(asContainerId('one'));
  database.close();
}

const at = { engine: 'ENGINE', project: asProjectName('p') };
const name = asServerName('a');
const finding = (change: Partial<HealthFinding> = {}): HealthFinding => ({
  server: name,
  verdict: 'healthy',
  container: asContainerId('one'),
  run: 'first',
  tools: 3,
  detail: '',
  ...change,
});

describe('health in the ledger', () => {
  it('is nothing where nobody looked, and reading makes no file', async () => {
    const path = newLedger();
    expect(await readHealth(path, at)).toEqual(new Map());
    expect(existsSync(path)).toBe(false);
  });

  it('is nothing in a ledger that only counted calls', async () => {
    const path = newLedger();
    await countOne(path);
    expect(await readHealth(path, at)).toEqual(new Map());
  });

  it('changes its "since" only with the verdict, also across containers', async () => {
    const path = newLedger();
    await recordHealth(path, at, [finding()], () => 100);
    await recordHealth(path, at, [finding({ container: asContainerId('two'), tools: 4 })], () => 200);
    expect((await readHealth(path, at)).get(name)).toEqual({
      ...finding({ container: asContainerId('two'), tools: 4 }),
      checkedAt: 200,
      since: 100,
    });
    const broken = finding({ verdict: 'unhealthy', tools: null, detail: 'it exited' });
    await recordHealth(path, at, [broken], () => 300);
    expect((await readHealth(path, at)).get(name)).toEqual({ ...broken, checkedAt: 300, since: 300 });
  });

  it('is kept apart by engine and project, and beside the counts', async () => {
    const path = newLedger();
    await countOne(path);
    await recordHealth(path, at, [finding()], () => 1);
    expect((await readHealth(path, { ...at, engine: 'OTHER' })).size).toBe(0);
    expect((await readHealth(path, { ...at, project: asProjectName('q') })).size).toBe(0);
    expect((await readHealth(path, at)).size).toBe(1);
    expect((await readExecutions(path, [asContainerId('one')])).size).toBe(1);
  });

  it('is about the run of the container that was asked, and about no other', () => {
    const container = asContainerId('one');
    expect(standingOf(finding(), { container, run: 'first' })).toBe('current');
    expect(standingOf(finding(), { container, run: 'second' })).toBe('restarted-since');
    expect(standingOf(finding(), { container: asContainerId('two'), run: 'first' })).toBe('earlier-container');
  });
});
