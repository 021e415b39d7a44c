import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
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
  it('is there once it was waited for', async () => {
    const places = placesIn(emptyFolder());
    const { write } = writer(places);
    await write(finding('a', 'legacy'));
    expect(await recallFinding(places.ledger, 'a')).toBe('legacy');
  });

  it('is refused with what to do where its file cannot be written, and goes on once it can', async () => {
    const places = placesIn(emptyFolder());
    const { write } = writer(places);
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
    const inThread = await turnsWhile(writesInThread(places).write(log));
    const here = await turnsWhile(writesHere(placesIn(emptyFolder())).write(log));
    expect(inThread).toBeGreaterThan(10 * here);
  });

  it('wait for one another where another program holds the file, and hold up none of another file', async () => {
    const places = placesIn(emptyFolder());
    (await openLedger(places.ledger)).close();
    const other = new DatabaseSync(places.ledger);
    other.exec('BEGIN IMMEDIATE');
    const { write, close } = writesInThread(places);
    const writing = ['one', 'two', 'three'].map((found) => write(finding('a', found)));
    const turns: StateWrite = { kind: 'logs', write: { kind: 'alert-turns', at, oldest: 0, turns: [] } };
    await write(turns);
    expect(await recallFinding(places.ledger, 'a')).toBeUndefined();
    other.exec('COMMIT');
    other.close();
    await close();
    expect(await recallFinding(places.ledger, 'a')).toBe('three');
    await Promise.all(writing);
  });

  it('are all done when it is closed, those too that nobody waits for', async () => {
    const places = placesIn(emptyFolder());
    const { leave, close } = writesInThread(places);
    await leave(finding('a', 'legacy'));
    await close();
    expect(await recallFinding(places.ledger, 'a')).toBe('legacy');
  });
});

it.each([
  ['what is waited for', "await write({ kind: 'finding', key: 'a', found: 'legacy' });"],
  ['what is left when it is closed', "leave({ kind: 'finding', key: 'a', found: 'legacy' }); await close();"],
])('a program that does nothing else goes on until it is written: %s', async (_, work) => {
  const places = placesIn(emptyFolder());
  const module = new URL('../../../src/state/write-thread.ts', import.meta.url);
  const script = `import { writesInThread } from ${JSON.stringify(module)};
    const { write, leave, close } = writesInThread(${JSON.stringify(places)});
    ${work}
    console.log('written');`;
  const args = ['--no-warnings', '--input-type=module', '-e', script];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('written\n');
  expect(await recallFinding(places.ledger, 'a')).toBe('legacy');
});

describe.runIf(process.platform === 'linux')('a ledger that is open', () => {
  /** The locks on a file, of this program alone: none other knows of it. */
  const locksOn = (path: string): number => {
    const { ino } = statSync(path);
    return readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`:${ino} `)).length;
  };

  it('keeps its locks when it is written to by way of another connection of the program', async () => {
    const places = placesIn(emptyFolder());
    const open = await openLedger(places.ledger);
    open.exec("INSERT INTO verdicts (key, era) VALUES ('a', 'one')");
    const before = locksOn(places.ledger);
    await writesHere(places).write(finding('b', 'two'));
    expect([before, locksOn(places.ledger)]).toEqual([1, 1]);
    open.close();
  });
});
