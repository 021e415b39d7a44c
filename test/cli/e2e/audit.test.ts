import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

const run = promisify(execFile);

type Line = Readonly<Record<string, unknown>>;

describe.skipIf(withoutEngine())('calls and their trail', () => {
  const project = testProject('audit');

  /** What the machines of a team have in common: one signs the server's record, and the others know it. */
  const shared = { LOOMS_SECRET_TOKEN: 'plugh-98765', LOOMS_RECORD_KEY: 'of-the-team' };

  /** A state folder of its own for each test, and looms in it. */
  function machine(state = emptyFolder()) {
    const env = { XDG_STATE_HOME: state, ...shared };
    const looms = (...args: string[]) => project.run(args, { env });
    return {
      state,
      looms,
      start: (...args: string[]) => project.start(args, { env }),
      database: join(state, 'looms', 'ledger.sqlite'),
      calls: async (...flags: string[]): Promise<Line[]> => {
        const { stdout, stderr, code } = await looms('audit', '--json', ...flags);
        expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
        const lines = stdout.split('\n').filter((line) => line !== '');
        return lines.map((line) => JSON.parse(line) as Line);
      },
    };
  }

  beforeAll(async () => {
    const yaml = tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:token}' } });
    const { code } = await project.apply(yaml, [], { env: shared });
    expect(code).toBe(0);
  });
  afterAll(() => project.remove());

  test('each way a call can end is in the trail, as JSON lines and as a table', async () => {
    const { looms, calls } = machine();
    expect((await looms('mcp', 'call', 'fs', 'echo', 'text=hello')).stderr).toBe('');
    expect((await looms('mcp', 'call', 'fs', 'fail')).code).toBe(5);
    expect((await looms('mcp', 'call', 'fs', 'break')).code).toBe(5);
    expect((await looms('mcp', 'call', 'fs', 'ecko')).code).toBe(66);
    expect((await looms('mcp', 'call', 'fs', 'echo', 'text=x', 'times=soon')).code).toBe(64);
    const lines = await calls();
    expect(lines.flatMap((line) => schemaProblems('audit', line))).toEqual([]);
    expect(lines.map(({ tool, result, code }) => [tool, result, code])).toEqual([
      ['echo', 'ok', undefined],
      ['fail', 'tool-error', undefined],
      ['break', 'json-rpc-error', 'json-rpc-error'],
      ['ecko', 'refused', 'tool-not-found'],
      ['echo', 'refused', 'arguments-invalid'],
    ]);
    expect(lines[0]).toMatchObject({
      project: project.name,
      server: 'fs',
      generation: 1,
      container: await project.idOf('fs'),
      engine: (await project.docker.info()).ID,
      argumentsBytes: 16,
    });
    expect(JSON.stringify(lines)).not.toContain('hello');
    expect((await calls('--result', 'ok', '--result', 'tool-error')).map(({ tool }) => tool)).toEqual(['echo', 'fail']);
    expect((await calls('--tail', '2')).map(({ tool }) => tool)).toEqual(['ecko', 'echo']);
    expect(
      await calls('--since', '1h', '--tool', 'fail', '--server', 'fs', '--who', String(lines[0]?.user)),
    ).toHaveLength(1);
    expect(await calls('--until', '1h')).toEqual([]);

    const table = (await looms('audit')).stdout.split('\n');
    expect(table[0]).toMatch(/^TIME +SERVER +GEN +TOOL +TOOK +ARGS +WHO +RESULT$/);
    expect(table[1]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +fs +1 +echo +\d+ms +16B +\S+@\S+ +ok$/);
    expect(table[4]).toMatch(/ecko .* refused \(tool-not-found\)$/);
    const none = await looms('audit', '--tool', 'nothing');
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'No call is recorded that fits.\n' });
    expect((await looms('audit', '--since', 'soon')).code).toBe(64);
  });

  test('arguments are kept only when that is asked for, with secrets masked', async () => {
    const { looms, calls, database } = machine();
    const args = ['text=the token is plugh-98765', 'password=xyzzy'];
    await looms('mcp', 'call', 'fs', 'echo', ...args);
    await looms('mcp', 'call', 'fs', 'echo', ...args, '--audit-arguments');
    const [without, kept] = await calls();
    expect(without).not.toHaveProperty('arguments');
    expect(kept).toMatchObject({
      arguments: { text: 'the token is (secret)', password: '(secret)' },
      argumentsHash: without?.argumentsHash,
    });
    const stored = readFileSync(database, 'latin1');
    for (const secret of ['plugh', 'xyzzy']) expect(stored).not.toContain(secret);
  });

  test('a call whose program was killed is there, first as running, then without a known result', async () => {
    const { start, calls, looms } = machine();
    const call = start('mcp', 'call', 'fs', 'wait');
    await eventually(
      async () => expect(await calls()).toMatchObject([{ tool: 'wait', result: 'running' }]),
      30_000,
      200,
    );
    call.child.kill('SIGKILL');
    await call.finished;
    expect(await calls()).toMatchObject([{ tool: 'wait', result: 'unknown' }]);
    expect((await looms('audit')).stdout).toContain('unknown (looms ended before the answer)');
    expect((await looms('audit', 'verify')).code).toBe(0);

    const cancelled = start('mcp', 'call', 'fs', 'wait');
    await eventually(async () => expect(await calls('--result', 'running')).toHaveLength(1), 30_000, 200);
    cancelled.child.kill('SIGINT');
    expect((await cancelled.finished).code).toBe(130);
    expect(await calls('--tail', '1')).toMatchObject([{ result: 'interrupted', durationMs: expect.any(Number) }]);
  });

  test('eight calls at once are all in the trail and in the count', async () => {
    const { looms, calls, state } = machine();
    const codes = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => (await looms('mcp', 'call', 'fs', 'echo', `text=${index}`)).code),
    );
    expect(codes).toEqual(Array.from({ length: 8 }, () => 0));
    const lines = await calls();
    expect(lines.map(({ result }) => result)).toEqual(Array.from({ length: 8 }, () => 'ok'));
    expect(new Set(lines.map(({ argumentsHash }) => argumentsHash)).size).toBe(8);
    const { code, stdout } = await looms('audit', 'verify', '--json');
    expect(code).toBe(0);
    expect(schemaProblems('audit-verify', JSON.parse(stdout))).toEqual([]);
    expect(JSON.parse(stdout)).toMatchObject({ intact: true, records: 16, head: { seq: 16 } });
    const database = new DatabaseSync(join(state, 'looms', 'ledger.sqlite'), { readOnly: true });
    expect(database.prepare('SELECT count FROM executions').get()).toEqual({ count: 8 });
    database.close();
  });

  test('a trail that somebody changed is exit 11, with the first record that does not fit', async () => {
    const { looms, database } = machine();
    for (const text of ['a', 'b']) await looms('mcp', 'call', 'fs', 'echo', `text=${text}`);
    const head = /head (\S+)/.exec((await looms('audit', 'verify')).stdout)?.[1] ?? '';
    expect((await looms('audit', 'verify', '--head', head)).code).toBe(0);
    expect((await looms('audit', 'verify', '--head', '1:f3')).code).toBe(64);

    const database2 = new DatabaseSync(database);
    database2.exec(`UPDATE audit SET record = replace(record, '"ok"', '"refused"') WHERE seq = 2`);
    database2.close();
    const broken = await looms('audit', 'verify');
    expect(broken.code).toBe(11);
    expect(broken.stdout).toMatch(/^✗ the trail is broken at record 2 \(it says \S+Z\): it was changed/);
    const json = await looms('audit', 'verify', '--json');
    expect(json.code).toBe(11);
    expect(schemaProblems('audit-verify', JSON.parse(json.stdout))).toEqual([]);
    expect(JSON.parse(json.stdout)).toMatchObject({ intact: false, seq: 2, fault: 'changed' });
  });

  describe('a trail that cannot be written never breaks a call, and is said', () => {
    const works = async (state: string, why: string | RegExp) => {
      const { looms } = machine(state);
      const { code, stdout, stderr } = await looms('mcp', 'call', 'fs', 'echo', 'text=hello');
      expect(stderr).toMatch(/^warning\[not-audited]: this call is not in the audit trail: .+\nhint: .+\n$/);
      expect(stderr).toMatch(why);
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'hello\n' });
      expect((await looms('mcp', 'call', 'fs', 'fail')).code).toBe(5);
    };

    test('locked by another program', async () => {
      const { looms, state, database } = machine();
      await looms('mcp', 'call', 'fs', 'echo', 'text=first');
      const other = new DatabaseSync(database);
      other.exec('BEGIN IMMEDIATE');
      try {
        await works(state, /locked for more than 2s/);
      } finally {
        other.close();
      }
    });

    test('no database', async () => {
      const state = emptyFolder();
      mkdirSync(join(state, 'looms'));
      writeFileSync(join(state, 'looms', 'ledger.sqlite'), 'something else'.repeat(100));
      await works(state, /is damaged, or no SQLite database/);
      const audit = await machine(state).looms('audit');
      expect(audit).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('error[ledger-unreadable]') });
    });

    test('no folder', async () => {
      const file = join(emptyFolder(), 'file');
      writeFileSync(file, '');
      await works(file, /ENOTDIR|EEXIST/);
    });

    test('a file that takes nothing', async () => {
      const state = emptyFolder();
      mkdirSync(join(state, 'looms'));
      symlinkSync('/dev/full', join(state, 'looms', 'ledger.sqlite'));
      await works(state, /ledger\.sqlite/);
    });

    test('a disk that is full, before the call and in the middle of it', async (context) => {
      const disk = emptyFolder();
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).then(
        () => true,
        () => false,
      );
      if (!mounted) {
        console.warn('skipped: a small file system cannot be mounted here');
        return context.skip();
      }
      try {
        const { looms, start, calls } = machine(disk);
        await looms('mcp', 'call', 'fs', 'echo', 'text=first');
        const slow = start('mcp', 'call', 'fs', 'wait');
        await eventually(async () => expect(await calls('--result', 'running')).toHaveLength(1), 30_000, 200);
        await fill(join(disk, 'rest'));
        slow.child.kill('SIGINT');
        const { code, stderr } = await slow.finished;
        expect(code).toBe(130);
        expect(stderr).toMatch(/^warning\[not-audited]: the end of this call is not in the audit trail: .+full/m);
        // The last program gave the room of its journal back.
        await fill(join(disk, 'more'));
        await works(disk, /full|disk/);
      } finally {
        await run('umount', [disk]);
      }
    });
  });

  test('a reader that leaves early is no failure', async () => {
    const { looms, state } = machine();
    await looms('mcp', 'call', 'fs', 'echo', 'text=x');
    const copies = new DatabaseSync(join(state, 'looms', 'ledger.sqlite'));
    copies.exec(`WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO audit (seq, record, hash) SELECT i, (SELECT record FROM audit WHERE seq = 1), '' FROM n`);
    copies.close();
    const program = new URL('../../../bin/run.js', import.meta.url).pathname;
    const shell = spawn('/bin/bash', ['-c', '"$0" "$1" audit --json 2>&1 >&3 | cat', process.execPath, program], {
      env: { ...process.env, XDG_STATE_HOME: state },
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    const [, stdout, , lines] = shell.stdio;
    lines?.once('data', () => lines.destroy());
    let said = '';
    stdout?.on('data', (chunk) => {
      said += chunk;
    });
    await new Promise((resolve) => shell.on('close', resolve));
    expect(said).toBe('');
  });
});

/** Writes until nothing more fits. */
async function fill(path: string): Promise<void> {
  await run('dd', ['if=/dev/zero', `of=${path}`, 'bs=1k']).catch(() => undefined);
}
