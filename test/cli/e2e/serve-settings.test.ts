import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms, type startLooms } from '../../support/looms.ts';
import { changed } from '../../support/odd-servers.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

// Each session is a process of Node.
const spec = changed(tinySpec({ name: 'fs', memoryMiB: 1024 }), { backend: { lifecycle: { max_executions: 2 } } });
const textOf = (result: unknown): unknown => (result as { content: { text?: string }[] }).content[0]?.text;

describe.skipIf(withoutEngine())('a gateway with settings', () => {
  const project = testProject('serve-settings');
  const cwd = emptyFolder();
  const env = { XDG_STATE_HOME: emptyFolder() };
  const tokenFile = join(cwd, 'tokens', 'team.token');
  let gateway: ReturnType<typeof startLooms>;
  let url: string;
  const run = (...args: readonly string[]) => project.run(args, { env, cwd });
  const connect = async (token: string, path: string): Promise<Client> => {
    const client = new Client({ name: 'test', version: '1' });
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    const at = new URL(`${url}${path}`);
    const isOld = path.startsWith('/sse');
    await client.connect(
      (isOld
        ? new SSEClientTransport(at, { requestInit })
        : new StreamableHTTPClientTransport(at, { requestInit })) as never,
    );
    return client;
  };
  const echo = (client: Client, text: string) => client.callTool({ name: 'echo', arguments: { text } });

  beforeAll(async () => {
    writeFileSync(join(cwd, 'looms.yaml'), 'serve:\n  listen: 127.0.0.1:0\n');
    expect(await project.apply(spec, [], { env, cwd })).toExit(0);
    gateway = project.start(['serve', '--json', '--sse', '--token-file', tokenFile], { env, cwd });
    ({ url } = await eventually(() => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout());
    }));
  });
  afterAll(async () => {
    gateway?.child.kill('SIGKILL');
    await project.remove();
  });

  test('listens where looms.yaml says, with a token that is made where --token-file says, its owner’s alone', async () => {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
    const client = await connect(readFileSync(tokenFile, 'utf8').trim(), '/mcp/fs');
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
    await client.close();
    await expect(connect('0'.repeat(64), '/mcp/fs')).rejects.toThrow();
  });

  test('calls of its clients, also by the transport of 2024, are counted to max_executions, and replace the server', async () => {
    const token = readFileSync(tokenFile, 'utf8').trim();
    const diff = () => project.run(['diff', '-f', '-'], { stdin: spec, env, cwd });
    expect((await diff()).stdout).toContain('after 2 more calls');
    const [newer, older] = [await connect(token, '/mcp/fs'), await connect(token, '/sse/fs')];
    expect(textOf(await echo(newer, 'one'))).toBe('one');
    expect((await diff()).stdout).toContain('after 1 more call\n');
    expect(textOf(await echo(older, 'two'))).toBe('two');
    const due = await diff();
    expect(due).toExit(2);
    expect(due.stdout).toContain('rotation due by executions');
    const before = await project.idOf('fs');
    expect(await project.apply(spec, [], { env, cwd })).toExit(0);
    expect(await project.idOf('fs')).not.toBe(before);
    expect(textOf(await echo(newer, 'three'))).toBe('three');
    expect((await diff()).stdout).toContain('after 1 more call\n');
    await Promise.all([newer.close(), older.close()]);
  });

  test('takes a token that is made while it runs, and none that was revoked; the list tells them, and never the token', async () => {
    expect((await run('token', 'list')).stderr).toContain('No token was made for clients of this project.');
    const made = await run('token', 'new', '--name', 'ci', '--allow', 'fs:echo', '--expires', '30d', '--json');
    const { token, expires } = JSON.parse(made.stdout);
    const listed = await run('token', 'list');
    expect(listed.stdout).toMatch(/^NAME +ALLOW +CREATED +EXPIRES\nci +fs:echo +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\dT/);
    expect(JSON.parse((await run('token', 'list', '--json')).stdout)).toEqual([
      { name: 'ci', allow: ['fs:echo'], created: expect.any(String), expires, expired: false },
    ]);
    expect(listed.stdout).not.toContain(token);
    const client = await connect(token, '/mcp/fs');
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo']);
    expect(textOf(await echo(client, 'hi'))).toBe('hi');
    expect(await run('token', 'revoke', 'ci')).toMatchObject({ code: 0, stdout: 'Revoked ci.\n' });
    await expect(echo(client, 'again')).rejects.toThrow();
    expect((await run('token', 'list')).stdout).toBe('');
    expect(await run('token', 'revoke', 'ci')).toExit(66);
    await client.close();
  });

  test('a name that is the socket’s is refused, for a token and for the file of one', async () => {
    expect(await run('token', 'new', '--name', 'local', '--allow', '*:*')).toExit(64);
    const file = join(cwd, 'local.token');
    const serve = await run('serve', '--listen', '127.0.0.1:0', '--token-file', file);
    expect(serve).toExit(64);
    expect(serve.stderr).toContain('local.token cannot be the file of a token');
    expect(existsSync(file)).toBe(false);
  });

  test('a serve block that is wrong is told with file and line by validate, diff and serve', async () => {
    const folder = emptyFolder();
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'fs.yaml'), spec);
    const wrong =
      'serve:\n  tokens:\n    - { name: local, secret: "${secret:x}", allow: ["fs:*"] }\n  limits: { in_fligt: 3 }\n';
    writeFileSync(join(folder, 'looms.yaml'), `specs: [fs.yaml]\n${wrong}`);
    for (const args of [['validate'], ['diff'], ['serve']]) {
      const { code, stdout, stderr } = await (args[0] === 'validate' ? looms : project.run)(args, { cwd: folder, env });
      expect(code).toBe(65);
      expect(stdout + stderr).toMatch(
        /not local, which is whoever comes by the socket, got "local"\n {2}at looms\.yaml:4:15 /,
      );
      expect(stdout + stderr).toMatch(/no key in_fligt\n {2}at looms\.yaml:5:13 .*did you mean in_flight/s);
    }
  });
});
