import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import { openLedger } from '../../../src/state/ledger.ts';
import { recallFinding } from '../../../src/state/server-memory.ts';
import { type StateWrite, writesHere } from '../../../src/state/state-writes.ts';
import { writesInThread } from '../../../src/state/write-thread.ts';
import { emptyFolder } from '../../support/looms.ts';

const at = { engine: 'E', project: asProjectName('p') };
const placesIn = (folder: string) => ({ ledger: join(folder, 'ledger.sqlite'), logs: join(folder, 'logs.sqlite') });
const finding = (key: string, found: string): StateWrite => ({ kind: 'finding', key, found });

describe.each([
  ['here', writesHere],
  ['in a thread', writesInThread],
])('what is written of servers, %s', (_where, writer) => {
  it('is there in the order in which it came', async () => {
    const places = placesIn(emptyFolder());
    const write = writer(places);
    for (const found of ['legacy', 'modern']) await write(finding('a', found));
    expect(await recallFinding(places.ledger, 'a')).toBe('modern');
  });

  it('is refused with what to do where its file cannot be written, and goes on once it can', async () => {
    const places = placesIn(emptyFolder());
    const write = writer(places);
    mkdirSync(places.ledger);
    await expect(write(finding('a', 'legacy'))).rejects.toMatchObject({
      code: 'ledger-unreadable',
      message: expect.stringContaining(places.ledger),
      hint: expect.stringContaining('move it away'),
    });
    rmSync(places.ledger, { recursive: true });
    await write(finding('a', 'legacy'));
    expect(await recallFinding(places.ledger, 'a')).toBe('legacy');
  });
});

describe('writes in a thread', () => {
  it('leave the turns of this one to others, with a log of 10 MB as well', async () => {
    const places = placesIn(emptyFolder());
    const lines = Array.from({ length: 20_000 }, (_, n) => ({
      time: n,
      n: 0,
      stream: 'stderr' as const,
      text: 'x'.repeat(500),
    }));
    const of = { container: asContainerId('c'), server: asServerName('fs'), generation: 1 };
    const log: StateWrite = { kind: 'logs', write: { kind: 'lines', at, oldest: 0, of, lines } };
    const turnsWhile = async (writing: Promise<void>): Promise<number> => {
      let turns = 0;
      let isOver = false;
      const turn = (): void => {
        turns += 1;
        if (!isOver) setImmediate(turn);
      };
      setImmediate(turn);
      await writing;
      isOver = true;
      return turns;
    };
    const inThread = await turnsWhile(writesInThread(places)(log));
    const here = await turnsWhile(writesHere(placesIn(emptyFolder()))(log));
    expect(inThread).toBeGreaterThan(10 * here);
  });

  it('are begun in the order in which they are asked for, also while another program holds the file', async () => {
    const places = placesIn(emptyFolder());
    (await openLedger(places.ledger)).close();
    const other = new DatabaseSync(places.ledger);
    other.exec('BEGIN IMMEDIATE');
    const write = writesInThread(places);
    const writing = Promise.all(['legacy', '2026-07-28', 'legacy'].map((found) => write(finding('a', found))));
    other.exec('COMMIT');
    other.close();
    await writing;
    expect(await recallFinding(places.ledger, 'a')).toBe('legacy');
  });
});
