import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connected } from '../../../src/app/connect/connect-client.ts';
import type { FoundClient } from '../../../src/app/connect/list-clients.ts';
import { clients } from '../../../src/clients/table.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, type Finished, looms, program, type startLooms } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** Files as people have them, each in the format of a client. */
const written: Readonly<Record<string, string>> = {
  json: '// mine\n{\n\t"theme": "dark", // why\n\t"KEY": {\n\t\t"other": { "command": "x" }, // theirs\n\t},\n}\n',
  toml: '# mine\nmodel   =   "o3" # why\n\n[mcp_servers.other]\ncommand = "x"\n\n# below\n[profiles.a]\nx = 1\n',
  yaml: '# mine\nextensions:\n    other:   {cmd: x}   # theirs\n\n# below\nlast: 1\n',
};

describe.skipIf(withoutEngine())('looms connect', () => {
  const project = testProject('connect');
  const state = { XDG_STATE_HOME: emptyFolder() };
  let home: string;
  const connect = (words: readonly string[], env: Record<string, string> = {}, cwd = home): Promise<Finished> =>
    project.run(['connect', ...words], { env: { ...state, HOME: home, ...env }, cwd });
  const answerOf = ({ stdout }: Finished): Connected => JSON.parse(stdout);
  const fileOf = (id: string): string => {
    const client = clients.find((one) => one.id === id);
    const [file = ''] = client?.files({ platform: process.platform, home, environment: {} }) ?? [];
    return file;
  };
  const put = (file: string, text: string): void => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };

  beforeAll(async () => {
    const applied = await project.apply(specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'time' })), [], {
      env: state,
    });
    expect(applied, applied.stderr).toExit(0);
  });
  afterAll(() => project.remove());

  test.each(clients.map(({ id, format, key }) => ({ id, format, key })))(
    '$id: an entry in a file with comments is proven, unchanged the second time, and gone byte for byte',
    async ({ id, format, key }) => {
      home = emptyFolder();
      const file = fileOf(id);
      const before = (written[format] ?? '').replace('KEY', key);
      put(file, before);
      chmodSync(file, 0o640);
      const first = await connect([id, '--json']);
      expect(first, first.stderr).toExit(0);
      expect(answerOf(first)).toMatchObject({
        ...{ client: id, file, entry: 'looms', action: 'created', transport: 'stdio' },
        proof: { servers: 2, tools: 10 },
      });
      expect(schemaProblems('connect', answerOf(first))).toEqual([]);
      const after = readFileSync(file, 'utf8');
      for (const line of before.split('\n')) expect(after).toContain(line);
      expect(statSync(file).mode & 0o777).toBe(0o640);
      const { stdout } = await connect([id, '-o', 'json']);
      expect(JSON.parse(stdout)).toMatchObject({ action: 'unchanged' });
      expect(readFileSync(file, 'utf8')).toBe(after);
      expect(answerOf(await connect([id, '--undo', '--json']))).toMatchObject({ action: 'removed' });
      expect(readFileSync(file, 'utf8')).toBe(before);
      expect(answerOf(await connect([id, '--undo', '--json']))).toMatchObject({ action: 'absent' });
    },
    60_000,
  );

  test('a file that was not there is its owner’s alone, and gone again with the entry', async () => {
    home = emptyFolder();
    const made = await connect(['cursor', 'fs']);
    expect(made, made.stderr).toExit(0);
    expect(made.stdout).toBe(
      `✓ fs is written to ${fileOf('cursor')}\n✓ a call made from it found 1 server with 5 tools\n`,
    );
    expect(statSync(fileOf('cursor')).mode & 0o777).toBe(0o600);
    await connect(['cursor', 'fs', '--undo']);
    expect(existsSync(fileOf('cursor'))).toBe(false);
  });

  test('the list says what is here and what is connected, and names a broken file with its line', async () => {
    home = emptyFolder();
    put(fileOf('codex'), 'a = 1\nb = \n');
    await connect(['cursor']);
    const { stdout } = await connect(['--json']);
    const listed: readonly FoundClient[] = JSON.parse(stdout);
    expect(schemaProblems('connect-clients', listed)).toEqual([]);
    expect(listed).toHaveLength(11);
    expect(listed.filter(({ found }) => found).map(({ client }) => client)).toEqual(['cursor', 'codex']);
    expect(listed.find(({ client }) => client === 'cursor')).toMatchObject({ entries: ['looms'] });
    expect(listed.find(({ client }) => client === 'codex')?.problem).toContain('config.toml:2 is no valid TOML');
    const refused = await connect(['codex']);
    expect(refused).toExit(65);
    expect(refused.stderr).toContain('config.toml:2');
    expect(readFileSync(fileOf('codex'), 'utf8')).toBe('a = 1\nb = \n');
  });

  test('an entry that is not ours is refused; with --force it is replaced, and comes back with --undo', async () => {
    home = emptyFolder();
    const before = '{ "mcpServers": { "looms": { "command": "theirs" } } }';
    put(fileOf('cursor'), before);
    for (const flags of [[], ['--undo']]) {
      const refused = await connect(['cursor', ...flags]);
      expect(refused).toExit(8);
      expect(refused.stderr).toMatch(/has an entry looms that looms did not write[\s\S]*--force/);
      expect(readFileSync(fileOf('cursor'), 'utf8')).toBe(before);
    }
    expect(await connect(['cursor', '--force'])).toExit(0);
    expect(readFileSync(fileOf('cursor'), 'utf8')).toContain('stdio');
    await connect(['cursor', '--undo']);
    expect(readFileSync(fileOf('cursor'), 'utf8')).toBe(before);
  });

  test('a link is followed, and what was written anew goes back to what was there before the first time', async () => {
    home = emptyFolder();
    const real = join(home, 'dotfiles.json');
    writeFileSync(real, '{}\n');
    mkdirSync(dirname(fileOf('cursor')));
    symlinkSync(real, fileOf('cursor'));
    await connect(['cursor']);
    const other = await connect(['cursor', 'fs', '--as', 'looms', '--json']);
    expect(answerOf(other)).toMatchObject({ action: 'updated', proof: { servers: 1 } });
    expect(lstatSync(fileOf('cursor')).isSymbolicLink()).toBe(true);
    expect(readFileSync(real, 'utf8')).toContain('"fs"');
    await connect(['cursor', '--undo']);
    expect(readFileSync(real, 'utf8')).toBe('{}\n');
  });

  test('an entry whose call fails is told so, and stays as the hint says', async () => {
    home = emptyFolder();
    const failed = await connect(['cursor', '--url', 'http://127.0.0.1:1', '--json']);
    expect(failed).toExit(69);
    expect(JSON.parse(failed.stdout || failed.stderr)).toMatchObject({
      error: { code: 'session-failed', hint: expect.stringContaining('looms connect cursor --undo') },
    });
    expect(readFileSync(fileOf('cursor'), 'utf8')).toContain('http://127.0.0.1:1/mcp');
    expect(await connect(['cursor', '--undo'])).toExit(0);
    expect(existsSync(fileOf('cursor'))).toBe(false);
  });

  test('a server that the project does not have is told with one that is near, and nothing is written', async () => {
    home = emptyFolder();
    expect(await connect(['cursor', 'tme'])).toMatchObject({
      code: 66,
      stderr: expect.stringMatching(/no server tme[\s\S]*did you mean time\?/),
    });
    expect(existsSync(fileOf('cursor'))).toBe(false);
  });

  test('--print writes nothing; what cannot be is refused with what can', async () => {
    home = emptyFolder();
    const printed = await connect(['goose', '--print']);
    expect(printed.stdout).toMatch(/^extensions:\n {2}looms:\n/);
    expect(existsSync(fileOf('goose'))).toBe(false);
    expect(await connect(['cursr'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('did you mean cursor'),
    });
    expect(await connect(['goose', '--local'])).toMatchObject({ code: 64 });
    expect(await connect(['claude-desktop', '--url', 'http://127.0.0.1:1'])).toMatchObject({ code: 64 });
    expect(await connect(['cursor', 'fs', '--all'])).toMatchObject({ code: 64 });
  });

  test('with --local the entry names no path of this machine, and never the token', async () => {
    home = emptyFolder();
    const bin = emptyFolder();
    writeFileSync(join(bin, 'looms'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 });
    const folder = emptyFolder();
    // What is started has no state of its own here.
    const env = { PATH: `${bin}:${process.env.PATH}`, XDG_STATE_HOME: '' };
    const local = await connect(['claude-code', '--local', '--json'], env, folder);
    expect(local, local.stderr).toExit(0);
    expect(JSON.parse(readFileSync(join(folder, '.mcp.json'), 'utf8'))).toEqual({
      mcpServers: {
        looms: { type: 'stdio', command: 'looms', args: ['mcp', 'stdio', '--all', '--project', project.name] },
      },
    });
    const refused = await connect(['zed', '--local', '--url', 'http://127.0.0.1:1'], {}, folder);
    expect(refused).toExit(8);
    expect(refused.stderr).toContain('leave --url away');
    expect(existsSync(join(folder, '.zed'))).toBe(false);
  });

  describe('beside a gateway on TCP', () => {
    let gateway: ReturnType<typeof startLooms>;
    let url: string;

    beforeAll(async () => {
      url = `http://127.0.0.1:${await freePort()}`;
      gateway = project.start(['serve', '--json', '--listen', url.slice('http://'.length)], { env: state });
      await eventually(() => JSON.parse(gateway.stdout()));
    });
    afterAll(async () => {
      gateway.child.kill('SIGTERM');
      await gateway.finished;
    });

    test.each(clients.filter(({ remote }) => remote !== undefined).map(({ id }) => ({ id })))(
      '$id gets its address, and the token by reference where it knows one',
      async ({ id }) => {
        home = emptyFolder();
        const flags = id === 'zed' ? ['--url', url] : [];
        const made = await connect([id, 'time', '--json', ...flags]);
        expect(made, made.stderr).toExit(0);
        expect(answerOf(made)).toMatchObject({ transport: 'http', proof: { servers: 1, tools: 5 } });
        const text = readFileSync(fileOf(id), 'utf8');
        expect(text).toContain(`${url}/mcp/time`);
        const token = readFileSync(
          join(state.XDG_STATE_HOME, 'looms', 'serve', `${project.name}.token`),
          'utf8',
        ).trim();
        expect(text.includes(token)).toBe(id === 'zed');
        expect(answerOf(made).note ?? '').toContain(['zed', 'opencode'].includes(id) ? '' : 'export LOOMS_TOKEN=');
        expect(answerOf(await connect([id, 'time', '--undo', '--json']))).toMatchObject({ action: 'removed' });
        expect(existsSync(fileOf(id))).toBe(false);
      },
    );

    test('a wrong token of the client’s own is found out', async () => {
      home = emptyFolder();
      const wrong = await connect(['cursor'], { LOOMS_TOKEN: randomBytes(32).toString('hex') });
      expect(wrong).toExit(69);
      expect(wrong.stderr).toMatch(/HTTP 401: the token is not known here/);
      expect(wrong.stderr).not.toContain('jsonrpc');
    });

    test.each(['claude-desktop', 'zed'])('--print shows the command that %s would start', async (id) => {
      home = emptyFolder();
      const { stdout } = await connect([id, '--print']);
      expect(stdout).toContain('"stdio"');
      expect(stdout).not.toContain(url);
      const asked = await connect(['zed', '--url', url, '--print']);
      expect(asked.stdout).toMatch(/"Bearer TOKEN OF \/.*\.token"/);
      const referring = await connect(['cursor', '--print']);
      expect(referring.stderr).toMatch(/set LOOMS_TOKEN where the client is started: export LOOMS_TOKEN="\$\(cat /);
      const asJson = JSON.parse((await connect(['cursor', '--print', '--json'])).stdout);
      expect(schemaProblems('connect-print', asJson)).toEqual([]);
      expect(asJson.note).toContain('export LOOMS_TOKEN=');
    });

    test('one that can only be told the token itself starts a command, and so does one with --stdio', async () => {
      home = emptyFolder();
      expect(answerOf(await connect(['zed', '--json']))).toMatchObject({ transport: 'stdio' });
      expect(answerOf(await connect(['cursor', '--stdio', '--json']))).toMatchObject({ transport: 'stdio' });
      chmodSync(fileOf('zed'), 0o644);
      expect(await connect(['zed', '--url', url])).toExit(8);
    });

    test('one that is gone, be it by SIGKILL, is given to nobody', async () => {
      home = emptyFolder();
      gateway.child.kill('SIGKILL');
      await gateway.finished;
      expect(answerOf(await connect(['cursor', '--json']))).toMatchObject({ transport: 'stdio' });
    });
  });

  test('the lines of the README work as they stand', async () => {
    home = emptyFolder();
    const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
    const [, block = ''] = /## Connecting a client\n\n```\n([\s\S]*?)```/.exec(readme) ?? [];
    const lines = block.trim().split('\n');
    expect(lines).toHaveLength(2);
    const tour = testProject('readme');
    try {
      const applied = await tour.apply(tinySpec({ name: 'notes' }), [], { env: state });
      expect(applied, applied.stderr).toExit(0);
      for (const line of lines) {
        const [first, ...words] = line.split(' ');
        expect(first).toBe('looms');
        const done = await looms(words, { env: { ...state, HOME: home, LOOMS_PROJECT: tour.name } });
        expect(done, done.stderr).toExit(0);
        expect(done.stdout).toContain('found 1 server with 5 tools');
      }
    } finally {
      await tour.remove();
    }
  });
});
