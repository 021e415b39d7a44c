import { expect, test } from 'vitest';
import { keepLog } from '../../../src/app/inspect/logs/keep-log.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { CountedLine } from '../../../src/model/trail/kept-logs.ts';
import type { LogLine } from '../../../src/orchestrator/session-host.ts';
import { document, only } from '../spec/checking.ts';

const of = {
  container: asContainerId('c'),
  server: asServerName('fs'),
  generation: 2,
  spec: only(document({ mcp: ['command: run', "env: { A: '${secret:one}' }"] })).spec,
};
const line = (time: number, text: string): LogLine => ({ time, stream: 'stderr', text });

/** Keeps a log of these lines; a failure in their place is thrown by what reads them. */
async function keeping(log: readonly LogLine[] | Error, changes: Partial<Ports> = {}, server: object = of) {
  const kept: CountedLine[] = [];
  const ports = {
    keptLogs: {
      keptUntil: async () => 7,
      keep: async (_at: unknown, _of: unknown, lines: readonly CountedLine[]) => void kept.push(...lines),
    },
    mask: (text: string) => text.replaceAll('hunter2', '(secret)'),
    secrets: async () => ({ found: true, value: 'hunter2', provider: 'fake' }),
    trust: { isAccepted: async () => false },
    ...changes,
  } as unknown as Ports;
  const sessions = {
    async *readLog() {
      if (log instanceof Error) throw log;
      yield* log;
    },
  };
  const why = await keepLog(ports, sessions, { engine: 'E', project: asProjectName('p') }, server as typeof of);
  return { why, kept };
}

test('a log is kept with its secrets masked, and lines of one millisecond are counted, whatever comes between them', async () => {
  const { why, kept } = await keeping([line(7, 'token hunter2'), line(9, 'b'), line(7, 'c'), line(9, 'd')]);
  expect(why).toBeUndefined();
  expect(kept.map(({ time, n, text }) => `${time}.${n} ${text}`)).toEqual([
    '7.0 token (secret)',
    '9.0 b',
    '7.1 c',
    '9.1 d',
  ]);
});

test('what could not be masked is not kept, and why is said', async () => {
  const { why, kept } = await keeping([line(7, 'token hunter2')], {
    secrets: async () => ({ found: false, tried: [] }),
  });
  expect(why).toBe(
    'the log of generation 2 was not kept: secret ${secret:one} of fs cannot be looked up here, so it could not be masked',
  );
  expect(kept).toEqual([]);
  const foreignRecord = { digest: 'd', imageId: 'sha256:0123456789abcdef', maker: { kind: 'unsigned' } };
  expect((await keeping([line(7, 'x')], {}, { ...of, foreignRecord })).why).toContain('was not made on this machine');
  expect((await keeping([line(7, 'x')], {}, { ...of, spec: undefined })).why).toContain('its record cannot be read');
  // Where nothing was written, no secret is looked up.
  expect((await keeping([], {}, { ...of, spec: undefined })).why).toBeUndefined();
});

test('of a container that was given another value of a secret than there is now nothing is kept', async () => {
  const secretPrints = {
    keyName: async () => 'ours',
    print: async (_whose: unknown, values: Readonly<Record<string, string>>) => ({
      key: 'ours',
      values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, `print of ${value}`])),
    }),
  };
  const given = (key: string, value: string) => ({ ...of, secretPrints: { key, values: { A: `print of ${value}` } } });
  const { why, kept } = await keeping([line(7, 'token hunter1')], { secretPrints }, given('ours', 'hunter1'));
  expect(why).toBe(
    'the log of generation 2 was not kept: the value of A that fs was made with is not known any more, so it could not be masked',
  );
  expect(kept).toEqual([]);
  expect((await keeping([line(7, 'x')], { secretPrints }, given('ours', 'hunter2'))).kept).toHaveLength(1);
  // Prints of another machine say nothing.
  expect((await keeping([line(7, 'x')], { secretPrints }, given('theirs', 'hunter1'))).kept).toHaveLength(1);
});

test('a log that is gone, or that the engine cannot read, is nothing to keep; any other failure is told', async () => {
  expect((await keeping(new LoomsError('engine-not-found', 'gone'))).why).toBeUndefined();
  expect((await keeping(new LoomsError('engine-conflict', 'marked for removal'))).why).toBeUndefined();
  expect((await keeping(new LoomsError('engine-unsupported', 'no such driver'))).why).toBeUndefined();
  expect((await keeping(new LoomsError('engine-rejected', 'broken'))).why).toContain('broken');
  const full = { keep: async () => Promise.reject(new LoomsError('ledger-unreadable', 'the disk is full')) };
  const keptLogs = { keptUntil: async () => 0, ...full } as unknown as Ports['keptLogs'];
  expect((await keeping([line(7, 'x')], { keptLogs })).why).toContain('the disk is full');
});

test('of a log of long lines no more than a few are in memory at once', async () => {
  const batches: number[] = [];
  const keptLogs = {
    keptUntil: async () => 0,
    keep: async (_at: unknown, _of: unknown, lines: readonly CountedLine[]) => void batches.push(lines.length),
  } as unknown as Ports['keptLogs'];
  const long = 'x'.repeat(600_000);
  await keeping(
    Array.from({ length: 10 }, (_, at) => line(at, long)),
    { keptLogs },
  );
  expect(batches).toEqual([2, 2, 2, 2, 2]);
});
