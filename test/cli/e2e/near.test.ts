import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frameOf, kinds } from '../../../src/cli/near/near-frames.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, type startLooms } from '../../support/looms.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { talkativeSpec } from '../../support/talkative-server.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine())('looms mcp beside a gateway', () => {
  const project = testProject('near');
  const env = { XDG_STATE_HOME: emptyFolder() };
  const cwd = emptyFolder();
  const folder = emptyFolder();
  const all = specs(
    changed(tinySpec({ name: 'fs', timeoutSeconds: 60 }), { mcp: { tools: { exclude: ['secret'] } } }),
    changed(talkativeSpec('shop'), { backend: { resource_limits: { execution_timeout_seconds: 3 } } }),
    talkativeSpec('patient'),
    httpSpec('web'),
    changed(tinySpec({ name: 'offers' }), {
      args: ['/srv/offers.mjs'],
      backend: { volume_mounts: [{ source: folder, target: '/srv', read_only: true }] },
    }),
  );
  let gateway: ReturnType<typeof startLooms>;
  const start = async (): Promise<void> => {
    gateway = project.start(['serve', '--json'], { env });
    await eventually(() => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout());
    });
  };
  const stop = async (signal: NodeJS.Signals = 'SIGINT'): Promise<void> => {
    gateway.child.kill(signal);
    await gateway.finished;
  };
  const run = (args: readonly string[], stdin = '') => project.run(args, { env, cwd, stdin });
  /** Process ids of a server's sessions in its container. */
  const sessionsOf = async (server: string): Promise<readonly string[]> => {
    const { Processes, Titles } = await project.container(server).top();
    const at = Titles.indexOf('CMD');
    const pid = Titles.indexOf('PID');
    return Processes.filter((row: string[]) => /^node -e/.test(row[at] ?? '')).map((row: string[]) => row[pid] ?? '');
  };
  const calls = async (): Promise<readonly { tool: string; server: string; pid: number }[]> =>
    (await run(['audit', '--json'])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    cpSync(join(import.meta.dirname, '../../fixtures/servers/offers.mjs'), join(folder, 'offers.mjs'));
    expect((await project.apply(all, [], { env })).code).toBe(0);
    writeFileSync(join(cwd, 'text'), 'from a file');
    await start();
  });
  afterAll(async () => {
    await stop();
    await project.remove();
  });

  test.each([
    ['a call', ['mcp', 'call', 'fs', 'echo', 'text=hi']],
    ['a call as JSON', ['mcp', 'call', 'fs.echo', '{"text":"hi"}', '--json']],
    ['a file of the caller', ['mcp', 'call', 'fs', 'echo', 'text=@text']],
    ['arguments from standard input', ['mcp', 'call', 'fs', 'echo', '--args', '-'], '{"text":"from stdin"}'],
    ['a tool that fails', ['mcp', 'call', 'fs', 'fail']],
    ['a JSON-RPC error', ['mcp', 'call', 'fs', 'break']],
    ['a JSON-RPC error as JSON', ['mcp', 'call', 'fs', 'break', '--json']],
    ['a filtered tool', ['mcp', 'call', 'fs', 'secret']],
    ['arguments that do not fit', ['mcp', 'call', 'fs', 'echo', 'times=x']],
    ['a tool that is not there', ['mcp', 'call', 'fs', 'ecko', 'text=hi']],
    ['a server that is not there', ['mcp', 'call', 'sf', 'echo']],
    ['words that nobody understands', ['mcp', 'call', 'fs', 'echo', '--texxt', 'hi']],
    ['progress', ['mcp', 'call', 'shop', 'steps', 'to=3', 'ms=10']],
    ['a question without an answer', ['mcp', 'call', 'shop', 'order']],
    ['answers', ['mcp', 'call', 'shop', 'order', '--answer', 'email=a@b.cd', '--answer', 'size=l', '--answer', 'x=y']],
    ['a log and a stray line', ['mcp', 'call', 'shop', 'loud', '--verbose']],
    ['a call that takes too long', ['mcp', 'call', 'shop', 'wait']],
    ['a server over HTTP', ['mcp', 'tools', 'web']],
    ['tools', ['mcp', 'tools', 'fs']],
    ['a tool in full', ['mcp', 'tools', 'fs', 'echo']],
    ['tools as JSON', ['mcp', 'tools', 'shop', '--json']],
    ['resources of a server without', ['mcp', 'resources', 'fs']],
    ['prompts of a server without', ['mcp', 'prompts', 'fs']],
    ['a prompt that is not there', ['mcp', 'prompt', 'fs', 'greet']],
    ['a resource that is not there', ['mcp', 'read', 'fs', 'file:///x']],
    ['resources and templates', ['mcp', 'resources', 'offers']],
    ['a resource', ['mcp', 'read', 'offers', 'file:///agenda.txt']],
    ['a resource as JSON', ['mcp', 'read', 'offers', 'file:///notes.txt', '--json']],
    ['a resource by a template', ['mcp', 'read', 'offers', 'file:///anything']],
    ['a resource that its server does not have', ['mcp', 'read', 'offers', 'file:///nothing']],
    ['prompts as JSON', ['mcp', 'prompts', 'offers', '--json']],
    ['a prompt', ['mcp', 'prompt', 'offers', 'review', 'file=a.txt']],
    ['another protocol', ['mcp', 'call', 'fs', 'echo', 'text=hi', '--protocol', 'legacy']],
  ] satisfies [string, string[], string?][])(
    '%s: the same to the byte, with and without',
    async (_, args, stdin = '') => {
      const direct = await run([...args, '--direct'], stdin);
      const first = await run(args, stdin);
      const again = await run(args, stdin);
      expect(first).toEqual(direct);
      expect(again).toEqual(direct);
    },
  );

  test('a look at health has the same answer but for its times', async () => {
    const timeless = ({ stdout, ...rest }: { stdout: string; stderr: string; code: number | null }) => ({
      ...rest,
      stdout: stdout.replace(/\d+(\.\d+)?\s?m?s\b/g, 'TIME').replace(/ +/g, ' '),
    });
    const args = ['mcp', 'health', 'fs', 'web'];
    expect(timeless(await run(args))).toEqual(timeless(await run([...args, '--direct'])));
  });

  test('a file that is saved is the caller’s, with its own umask; a folder is found from where it is', async () => {
    await run(['mcp', 'call', 'fs', 'echo', 'text=hi', '--out', 'saved']);
    const { code } = await run(['mcp', 'call', 'fs', 'echo', 'text=@saved/nothing']);
    expect(code).toBe(66);
  });

  test('one process serves calls that come one after another, and the trail has each once', async () => {
    await run(['mcp', 'call', 'fs', 'echo', 'text=a']);
    const before = await sessionsOf('fs');
    const recorded = (await calls()).length;
    for (const text of ['b', 'c', 'd'])
      expect((await run(['mcp', 'call', 'fs', 'echo', `text=${text}`])).stdout).toBe(`${text}\n`);
    expect(await sessionsOf('fs')).toEqual(before);
    const after = await calls();
    expect(after.length).toBe(recorded + 3);
    // The trail names the program that asked.
    expect(new Set(after.slice(-3).map(({ pid }) => pid)).size).toBe(3);
  });

  test('calls at once have a session each', async () => {
    const texts = Array.from({ length: 6 }, (_, index) => `t${index}`);
    const answers = await Promise.all(texts.map((text) => run(['mcp', 'call', 'fs', 'echo', `text=${text}`])));
    expect(answers.map(({ stdout }) => stdout)).toEqual(texts.map((text) => `${text}\n`));
  });

  test('a process that has ended meanwhile costs the next call nothing', async () => {
    await run(['mcp', 'call', 'fs', 'echo', 'text=a']);
    await project.container('fs').restart({ t: 1 });
    await eventually(async () => expect((await project.container('fs').inspect()).State.Running).toBe(true));
    expect(await run(['mcp', 'call', 'fs', 'echo', 'text=b'])).toEqual({ code: 0, stdout: 'b\n', stderr: '' });
  });

  test('Ctrl-C cancels a call, and its session is not used again', async () => {
    // Before its call is in the trail, a program may not hear signals yet, and is ended by them.
    const started = (await calls()).length + 1;
    const call = project.start(['mcp', 'call', 'patient', 'wait'], { env, cwd });
    await eventually(async () => expect((await calls()).length).toBe(started));
    call.child.kill('SIGINT');
    const near = await call.finished;
    const direct = project.start(['mcp', 'call', 'patient', 'wait', '--direct'], { env, cwd });
    await eventually(async () => expect((await calls()).length).toBe(started + 1));
    direct.child.kill('SIGINT');
    expect(near).toMatchObject({ code: 130, stdout: '' });
    expect(near.stderr).toContain('interrupted by Ctrl-C');
    expect(await direct.finished).toMatchObject({ code: 130 });
    expect((await run(['mcp', 'call', 'patient', 'cancelled'])).stdout).toContain('requestId');
  });

  test('a call whose program is killed is cancelled', async () => {
    const before = (await calls()).length;
    const call = project.start(['mcp', 'call', 'patient', 'wait'], { env, cwd });
    await eventually(async () => expect((await calls()).length).toBe(before + 1));
    call.child.kill('SIGKILL');
    await eventually(async () => expect(JSON.stringify((await calls()).at(-1))).toContain('interrupted'));
  });

  test('a gateway of another project or state is passed by', async () => {
    const other = testProject('near-other');
    const listed = await other.run(['mcp', 'call', 'fs', 'echo', 'text=hi'], { env, cwd });
    expect(listed.stderr).toContain(`no server fs in project ${other.name}`);
    // Without a name every gateway is asked, and this one serves another project.
    const unnamed = await project.run(['mcp', 'call', 'fs', 'echo', 'text=hi'], {
      env: { ...env, LOOMS_PROJECT: other.name },
    });
    expect(unnamed.code).toBe(0);
    const elsewhere = await project.run(['mcp', 'call', 'fs', 'echo', 'text=hi'], {
      env: { ...env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' },
    });
    expect(elsewhere.code).toBe(69);
  });

  test('one that runs another version of looms is left alone, and the command does it itself', async () => {
    await stop();
    const root = emptyFolder();
    const own = join(import.meta.dirname, '../../..');
    // Of a linked program the version is that of the package it leads to.
    for (const name of ['bin', 'dist']) cpSync(join(own, name), join(root, name), { recursive: true });
    for (const name of ['schemas', 'oclif.manifest.json', 'node_modules'])
      symlinkSync(join(own, name), join(root, name));
    const packaged = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
    writeFileSync(join(root, 'package.json'), JSON.stringify({ ...packaged, version: '99.0.0' }));
    const args = [join(root, 'bin/run.js'), 'serve', '--json', '--project', project.name];
    const { PATH = '', HOME = '' } = process.env;
    const other = spawn(process.execPath, args, { cwd, env: { PATH, HOME, ...env } });
    const said = text(other.stderr);
    await once(other.stdout, 'data');
    const call = ['mcp', 'call', 'fs', 'echo', 'text=hi'];
    const recorded = (await calls()).length;
    expect(await run(call)).toEqual({ code: 0, stdout: 'hi\n', stderr: '' });
    expect(await run(['mcp', 'tools', 'fs'])).toEqual(await run(['mcp', 'tools', 'fs', '--direct']));
    expect((await calls()).length).toBe(recorded + 1);
    // It would keep the sessions.
    await eventually(async () => expect(await sessionsOf('fs')).toEqual([]));
    other.kill('SIGINT');
    await once(other, 'exit');
    expect(await said).toBe('');
    await start();
  });

  test.each([
    ['knows no such way', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    ['is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['agrees, and talks of something else', 'HTTP/1.1 101 Switching Protocols\r\n\r\nhello, what do you want?'],
    ['agrees, and says what no version here says', `HTTP/1.1 101 Switching Protocols\r\n\r\nR\0\0\0\x02{}`],
    ['agrees, and never comes to an end', 'HTTP/1.1 101 Switching Protocols\r\n\r\nr\x7f\xff\xff\xff'],
    ['answers before anything was agreed', `HTTP/1.1 101 Switching Protocols\r\n\r\n1\0\0\0\x03bad`],
    ['hangs up', ''],
  ])('what listens there and %s gets no call, and prints nothing', async (_, answer) => {
    const state = emptyFolder();
    mkdirSync(join(state, 'looms/serve'), { recursive: true });
    let heard = '';
    const listener = createServer((socket) => {
      socket.setEncoding('latin1').on('error', () => {});
      socket.on('data', (piece) => {
        heard += piece;
      });
      if (answer === '') socket.end();
      else socket.write(Buffer.from(answer, 'latin1'));
    }).listen(join(state, `looms/serve/${project.name}.sock`));
    await once(listener, 'listening');
    const args = ['mcp', 'call', 'fs', 'echo', 'text=hi', '--trust-record'];
    const options = { env: { XDG_STATE_HOME: state }, cwd };
    const { code, stdout } = await project.run(args, options);
    listener.close();
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hi\n' });
    expect(heard).not.toContain(String(frameOf(kinds.go)));
  });

  test('where the file of a dead gateway lies, or somebody who does not answer, a call goes its own way', async () => {
    await stop('SIGKILL');
    const before = (await calls()).length;
    expect(await run(['mcp', 'call', 'fs', 'echo', 'text=hi'])).toEqual({ code: 0, stdout: 'hi\n', stderr: '' });
    const state = emptyFolder();
    mkdirSync(join(state, 'looms/serve'), { recursive: true });
    const heard: string[] = [];
    const mute = createServer((socket) =>
      socket.on('data', (piece) => heard.push(String(piece))).on('error', () => {}),
    );
    await new Promise<void>((resolve) => mute.listen(join(state, `looms/serve/${project.name}.sock`), resolve));
    const mine = { XDG_STATE_HOME: state };
    const answer = await project.run(['mcp', 'call', 'fs', 'echo', 'text=hi', '--trust-record'], { env: mine, cwd });
    expect(answer).toMatchObject({ code: 0, stdout: 'hi\n' });
    expect(heard.join('')).toContain('Upgrade: looms');
    await new Promise((resolve) => mute.close(resolve));
    await start();
    expect((await calls()).length).toBe(before + 1);
  });

  test.skipIf(process.getuid?.() !== 0)(
    'what another user has put in place of a gateway is shown nothing',
    async () => {
      const state = emptyFolder();
      const folder = join(state, 'looms/serve');
      mkdirSync(folder, { recursive: true });
      const path = join(folder, `${project.name}.sock`);
      let connections = 0;
      const listener = createServer(() => {
        connections += 1;
      }).listen(path);
      await once(listener, 'listening');
      chownSync(path, 65_534, 65_534);
      const { code, stdout } = await project.run(['mcp', 'call', 'fs', 'echo', 'text=hi'], {
        env: { XDG_STATE_HOME: state },
      });
      listener.close();
      expect({ code, stdout, connections }).toEqual({ code: 0, stdout: 'hi\n', connections: 0 });
    },
  );

  test('a gateway that dies during a call is said to, and the call is not made again', async () => {
    const before = (await calls()).length;
    const call = project.start(['mcp', 'call', 'patient', 'wait'], { env, cwd });
    await eventually(async () => expect((await calls()).length).toBe(before + 1));
    await stop('SIGKILL');
    const { code, stdout, stderr } = await call.finished;
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toContain(
      'error[server-exited]: the gateway ended before it answered; what was asked may have been done',
    );
    expect((await calls()).length).toBe(before + 1);
    await start();
  });

  test('a gateway that is told to end has its commands end', async () => {
    const before = (await calls()).length;
    const call = project.start(['mcp', 'call', 'fs', 'wait'], { env, cwd });
    await eventually(async () => expect((await calls()).length).toBe(before + 1));
    await stop();
    const { code, stderr } = await call.finished;
    expect(code).toBe(143);
    expect(stderr).toContain('interrupted by SIGTERM');
    await start();
  });

  test('a gateway that is told to end does so while a program holds a connection to it and says nothing', async () => {
    const { socket } = JSON.parse(gateway.stdout());
    const connection = createConnection(socket);
    connection.write('GET /looms HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: looms\r\n\r\n');
    await once(connection, 'data');
    await stop('SIGTERM');
    connection.destroy();
    await start();
  });

  test('a large answer comes whole to a reader that is slow', async () => {
    const words = 'x'.repeat(100);
    const { stdout } = await run(['mcp', 'call', 'fs', 'echo', `text=${words}`, 'times=30000']);
    const direct = await run(['mcp', 'call', 'fs', 'echo', `text=${words}`, 'times=30000', '--direct']);
    const digest = (text: string) => createHash('sha256').update(text).digest('hex');
    expect(digest(stdout)).toBe(digest(direct.stdout));
    expect(stdout.length).toBeGreaterThan(3_000_000);
  });

  test('the way to a gateway loads one file of ours', () => {
    const text = readFileSync(new URL('../../../dist/cli/near.js', import.meta.url), 'utf8');
    expect(text).not.toMatch(/\bimport\s*[{*"(]|from\s*"\./);
    expect(text.length).toBeLessThan(20_000);
  });
});
