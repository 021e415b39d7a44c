import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { recallVerdicts } from '../../support/ledger.ts';
import { talkativeSpec } from '../../support/talkative-server.ts';
import { onTerminal } from '../../support/terminal-session.ts';
import { testProject } from '../../support/test-project.ts';

/** Names of the threads of a process. */
const threadsOf = (pid: number | undefined): readonly string[] =>
  readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim());

describe.skipIf(withoutEngine())('calling a server that says more than answers', () => {
  const project = testProject('sessions');
  const env = { XDG_STATE_HOME: mkdtempSync(join(tmpdir(), 'looms-state-')) };
  const call = (...args: string[]) => project.run(['mcp', 'call', 'shop', ...args], { env });

  beforeAll(async () => {
    const { code, stderr } = await project.apply(talkativeSpec('shop'));
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  });
  afterAll(() => project.remove());

  test('its question is answered by --answer, typed by the form, with defaults for the rest', async () => {
    const answers = ['email=a@b.c', 'size=large', 'gift=yes', 'extras=bag,ribbon'].flatMap((one) => ['--answer', one]);
    const { code, stdout, stderr } = await call('order', ...answers);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      action: 'accept',
      content: { email: 'a@b.c', size: 'l', count: 1, gift: true, extras: ['bag', 'ribbon'] },
    });
  });

  test('a list takes several answers; an answer that is given twice for one value is refused by its name', async () => {
    const twice = ['email=a@b.c', 'size=l', 'extras=bag', 'extras=card'].flatMap((one) => ['--answer', one]);
    const { stdout } = await call('order', ...twice);
    expect(JSON.parse(stdout)).toMatchObject({ action: 'accept', content: { extras: ['bag', 'card'] } });
    const { code, stderr } = await call('order', ...twice, '--answer', 'email=d@e.f');
    expect({ code, stderr }).toEqual({
      code: 64,
      stderr:
        'error[usage]: --answer email is given more than once, and shop asks for one value\n' +
        'hint: its question was cancelled; give --answer email=VALUE once\n',
    });
  });

  test('it hears that nobody can be asked, before it asks', async () => {
    expect(await call('order')).toMatchObject({ code: 5, stdout: 'nobody can be asked\n' });
  });

  test('a question that the answers do not settle is cancelled, and said; so is an answer that nothing asked for', async () => {
    const { stdout, stderr } = await call('order', '--answer', 'email=nope', '--answer', 'other=1');
    expect(JSON.parse(stdout)).toEqual({ action: 'cancel' });
    expect(stderr).toBe(
      'warning[question-unanswered]: shop asks: What shall it be? (--answer email: "nope" is no e-mail address)\n' +
        'warning[answer-unused]: shop did not ask for other\n',
    );
    expect(await call('order', '--answer', 'email')).toExit(64);
  });

  test('a question is asked on a terminal', async () => {
    const session = onTerminal(['mcp', 'call', 'shop', 'order', '--project', project.name], tmpdir());
    const lines = [
      'decline',
      'y',
      'E-mail',
      'nope',
      'no e-mail address',
      'a@b.c',
      'Size',
      '2',
      'How many',
      '',
      'As a gift',
      '',
    ];
    for (let at = 0; at < lines.length; at += 2) {
      await session.shows(lines[at] ?? '');
      session.type(`${lines[at + 1]}\r`);
    }
    await session.shows('Extras');
    session.type('card, 1\r');
    expect(await session.ended).toBe(0);
    expect(session.screen()).toContain(
      '{"action":"accept","content":{"email":"a@b.c","size":"l","count":1,"extras":["card","bag"]}}',
    );
  });

  test.each([
    ['Enter declines', '\r', 'decline'],
    ['Ctrl-C cancels', '\u0003', 'cancel'],
    ['Ctrl-D cancels', '\u0004', 'cancel'],
  ])('%s a question on a terminal, and the call goes on', async (_, key, action) => {
    const session = onTerminal(['mcp', 'call', 'shop', 'confirm', '--project', project.name], tmpdir());
    await session.shows('Say yes');
    session.type(key);
    expect(await session.ended).toBe(0);
    expect(session.screen()).toContain(`{"action":"${action}"}`);
  });

  test('a page it wants opened and a model it wants asked are refused', async () => {
    const page = await call('page', '--answer', 'x=1');
    expect(page.stdout).toContain('"code":-32602');
    expect(page.stderr).toContain('elicitation/create refused: looms opens no pages');
    const model = await call('think', '--verbose');
    expect(model.stdout).toContain('"code":-32601');
    expect(model.stderr).toContain('sampling/createMessage refused: looms has no model to ask');
    expect((await call('think')).stderr).toBe('');
  });

  test('its log and its stray lines show with --verbose only', async () => {
    expect(await call('loud')).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' });
    expect(await call('loud', '--verbose')).toMatchObject({
      code: 0,
      stdout: 'done\n',
      stderr: '[shop] stray line on stdout: connected to the mainframe\n[shop] warning db: slow query\n',
    });
  });

  test('its progress is a line on stderr, and nothing with --json', async () => {
    const shown = await call('steps', 'to=3');
    expect(shown).toMatchObject({ code: 0, stdout: 'took 3 steps\n' });
    expect(shown.stderr).toBe('[shop steps] 1 of 3  reading table 1\n');
    expect(await call('steps', 'to=3', '--json')).toMatchObject({ code: 0, stderr: '' });
  });

  test('Ctrl-C cancels the call, tells the server, leaves nothing of the session, and ends with 130', async () => {
    const run = project.start(['mcp', 'call', 'shop', 'wait', '--verbose'], { env });
    const processes = async (): Promise<number> => {
      const { Processes } = (await project.container('shop').top({ ps_args: '-eo pid,args' })) as {
        Processes: string[][];
      };
      return Processes.filter((row) => /node -e/.test(row.join(' '))).length;
    };
    await eventually(async () => expect(await processes()).toBeGreaterThan(0), 20_000);
    await eventually(async () => expect((await call('waiting')).stdout.trim()).toBe('yes'), 20_000, 250);
    run.child.kill('SIGINT');
    expect(await run.finished).toExit(130);
    expect(await processes()).toBe(0);
    expect((await call('cancelled')).stdout).toContain('"requestId"');
  });

  test('its endless questions end with a second Ctrl-C, and the session with them (130)', async () => {
    const session = onTerminal(['mcp', 'call', 'shop', 'nag', '--project', project.name], tmpdir());
    await session.shows('Say yes');
    session.type('\u0003');
    await session.shows('question cancelled; Ctrl-C once more ends the call');
    await eventually(() => expect(session.screen().split('Say yes')).toHaveLength(3));
    session.type('\u0003');
    expect(await session.ended).toBe(130);
  });

  test('its endless questions end by themselves where answers are given', async () => {
    const { code, stderr } = await call('nag', '--answer', 'x=1');
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr:
        'warning[question-unanswered]: shop asks: Drop the table? (it wants a yes or no, which only a terminal can give)\n' +
        'warning[answer-unused]: shop did not ask for x\n' +
        'error[input-refused]: shop asked more than 50 questions during one session\n' +
        'hint: the call was ended; a server that asks without end is at fault\n',
    });
  });

  test('its pings do not make the program deaf to Ctrl-C, nor large', async () => {
    const run = project.start(['mcp', 'call', 'shop', 'pings', 'to=100000'], { env });
    await eventually(async () => expect((await call('waiting')).stdout.trim()).toBe('pings'), 30_000, 250);
    expect(run.stderr()).toBe('');
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${run.child.pid}/status`, 'utf8'))?.[1]) / 1024;
    expect(resident).toBeLessThan(250);
    run.child.kill('SIGINT');
    expect(await run.finished).toExit(130);
  });

  test('its pattern that takes for ever is given up, said, and the call goes out', async () => {
    const { code, stdout, stderr } = await call('strict', `word=${'a'.repeat(60)}!`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'taken\n' });
    expect(stderr).toBe(
      "warning[schema-unusable]: the arguments are sent unchecked: the check against the tool's input schema takes more than 3s\n",
    );
    const run = project.start(['mcp', 'call', 'shop', 'strict', `word=${'a'.repeat(60)}!`], { env });
    await eventually(() => expect(threadsOf(run.child.pid)).toContain('looms-check'), 20_000);
    run.child.kill('SIGINT');
    expect(await run.finished).toMatchObject({ code: 130, stdout: '' });
  });

  test('numbers arrive and are printed as they are written, and audited so', async () => {
    const args = '{"id":9007199254740993,"list":[1e400,-0,1.0]}';
    const { code, stdout } = await call('numbers', args, '--json', '--audit-arguments');
    expect(code).toBe(0);
    expect(stdout).toContain('"id": 9007199254740993');
    expect(stdout).toContain('"big": 1e400');
    expect(JSON.parse(stdout).structuredContent.got).toContain(`"arguments":${args}`);
    expect((await call('numbers', 'id:=1e400')).stdout).toContain('"big": 1e400');
    const trail = await project.run(['audit', '--tool', 'numbers', '-o', 'json'], { env });
    expect(trail.stdout).toContain(`"arguments":${args}`);
  });

  test('--protocol says what is spoken, and auto remembers what it found', async () => {
    expect(await call('loud', '--protocol', '2026-07-28')).toExit(69);
    expect(await call('loud', '--protocol', 'auto')).toExit(0);
    expect(await call('loud', '--protocol', 'auto')).toExit(0);
    expect(await project.run(['mcp', 'tools', 'shop', '--protocol', 'legacy'], { env })).toExit(0);
    expect(await call('loud', '--protocol', 'newest')).toExit(64);
    expect(recallVerdicts(env.XDG_STATE_HOME)).toEqual(['legacy']);
  });
});
