import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms, type startLooms } from '../../support/looms.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const before = { LOOMS_SECRET_TOLD: 'quux-before-7231' };
const after = { LOOMS_SECRET_TOLD: 'quux-after-9917' };

describe.skipIf(withoutEngine())('a changed secret of a server over HTTP', () => {
  const project = testProject('changed-secret');
  const yaml = httpSpec('teller', { secret: 'told' });
  const diff = (env: Readonly<Record<string, string>>, flags: readonly string[] = []) =>
    project.run(['diff', '-f', '-', ...flags], { stdin: yaml, env });
  beforeAll(async () => {
    expect(await project.apply(yaml, [], { env: before })).toExit(0);
  });
  afterAll(() => project.remove());

  test('is none while the value is the same', async () => {
    expect(await diff(before)).toMatchObject({ code: 0, stderr: '' });
  });

  test('is named by diff, without a value, and no other machine replaces for it', async () => {
    const shown = await diff(after);
    expect(shown).toMatchObject({ code: 2, stderr: '' });
    expect(shown.stdout).toMatch(/^\+\/- teller {2}replace without downtime: a secret changed: API_TOKEN$/m);
    const json = await diff(after, ['--json']);
    expect(changesAsText(JSON.parse(json.stdout))).toEqual(['teller: replace start-first secret-changed']);
    expect(shown.stdout + json.stdout).not.toContain('quux');

    const elsewhere = await diff({ ...after, XDG_STATE_HOME: emptyFolder() });
    expect(elsewhere.code).toBe(0);
    expect(elsewhere.stdout + elsewhere.stderr).toMatch(/warning\[secrets-of-another-key] teller: .*LOOMS_RECORD_KEY/s);
  });

  test('that is not set here is told and is no drift', async () => {
    const unset = await diff({});
    expect(unset.code).toBe(0);
    expect(unset.stdout + unset.stderr).toContain(
      'warning[secrets-not-compared] teller: whether its secrets changed cannot be told: ${secret:told} is not set here',
    );
  });

  test('of a saved plan that cannot be told where it is carried out is the reason why it is stale', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'teller.yaml'), yaml);
    const save = ['diff', '-f', 'teller.yaml', '--out', 'plan.json'];
    expect(await project.run(save, { env: after, cwd })).toExit(2);
    expect(readFileSync(join(cwd, 'plan.json'), 'utf8')).not.toMatch(/quux|[0-9a-f]{32}"}/);
    const elsewhere = await looms(['apply', 'plan.json'], { env: { ...after, XDG_STATE_HOME: emptyFolder() }, cwd });
    expect(elsewhere.code).toBe(7);
    expect(elsewhere.stderr).toContain('here that cannot be told');
    expect(elsewhere.stderr).toMatch(/teller: whether its secrets changed cannot be told here.*LOOMS_RECORD_KEY/s);
  });

  test('replaces the server with apply, and is no drift after that; no value is anywhere on the engine', async () => {
    // What the running server prints of the value that it was made with, nobody can mask any more.
    const unmasked = 'the value of API_TOKEN that teller was made with is not known any more';
    expect((await project.run(['mcp', 'logs', 'teller'], { env: after })).stderr).toContain(unmasked);
    expect((await project.run(['mcp', 'logs', 'teller'], { env: before })).stderr).not.toContain(unmasked);
    const applied = await project.apply(yaml, [], { env: after });
    expect(applied).toExit(0);
    expect(applied.stdout).toMatch(/^✓ teller {2}replaced/m);
    const gone = await project.run(['mcp', 'logs', 'teller', '--gone'], { env: after });
    expect(gone.stdout).not.toContain(before.LOOMS_SECRET_TOLD);
    expect(await diff(after)).toMatchObject({ code: 0, stderr: '' });
    expect(await diff(before)).toExit(2);
    const { Labels } = (await project.container('teller').inspect()).Config;
    expect(JSON.parse(Labels['looms.secrets'] ?? '')).toEqual({
      key: expect.stringMatching(/^[0-9a-f]{12}$/),
      values: { API_TOKEN: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    for (const { LOOMS_SECRET_TOLD: value } of [before, after]) {
      expect(await placesThatTell(project.docker, project.name, value)).toEqual([]);
    }
  });

  test('comes with the next restart, too, and then is no drift', async () => {
    expect(await project.run(['mcp', 'restart', 'teller'], { env: before })).toExit(0);
    expect(await diff(before)).toMatchObject({ code: 0, stderr: '' });
  });
});

describe.skipIf(withoutEngine())('a secret that changes while looms runs', () => {
  const project = testProject('secret-meanwhile');
  const cwd = emptyFolder();
  const env = { XDG_STATE_HOME: emptyFolder() };
  const running: ReturnType<typeof startLooms>[] = [];
  const open: Client[] = [];
  /** The store is asked anew, or it is not: nothing else tells that this changed. */
  const put = (value: string): void => writeFileSync(join(cwd, 'store/told'), value);
  const start = (...args: string[]) => {
    const one = project.start([...args, '--json'], { cwd, env });
    running.push(one);
    return one;
  };

  beforeAll(async () => {
    mkdirSync(join(cwd, 'store'));
    mkdirSync(join(cwd, 'specs'));
    put('quux-first');
    writeFileSync(join(cwd, 'looms.yaml'), 'secrets: { providers: [{ type: directory, path: store }] }\n');
    const teller = tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:told}' } });
    writeFileSync(join(cwd, 'specs/mcp.yaml'), specs(teller, httpSpec('web', { secret: 'told' })));
  });
  afterAll(async () => {
    await Promise.allSettled(open.map((client) => client.close()));
    for (const { child, finished } of running) {
      child.kill('SIGKILL');
      await finished;
    }
    await project.remove();
  });

  test('is seen by the next look of a watch, which replaces what was made with the old one', async () => {
    const loop = start('watch', '-f', 'specs', '--interval', '2s');
    const told = (type: string) =>
      loop
        .stdout()
        .split('\n')
        .filter((line) => line.includes(`"type":"${type}"`));
    await eventually(() => expect(told('changed').length, loop.stdout() + loop.stderr()).toBe(1), 60_000);
    const before = await project.idOf('web');
    put('quux-second');
    await eventually(async () => expect(await project.idOf('web')).not.toBe(before), 60_000);
    await eventually(() => expect(told('changed').length).toBe(2), 60_000);
    expect(told('changing')[1]).toContain('secret-changed');
    expect(loop.stdout()).not.toContain('quux');
    loop.child.kill('SIGINT');
    expect((await loop.finished).code).toBe(130);
    // One that gets its secrets with each session has nothing of the old one.
    expect(told('changing')[1]).not.toContain('"server":"fs"');
  }, 180_000);

  test('is what the next process of a gateway gets; one that runs keeps what it was started with', async () => {
    const gateway = start('serve');
    const { socket } = await eventually((): { socket: string } => JSON.parse(gateway.stdout()), 60_000);
    const connect = async () => {
      const client = new Client({ name: 'test', version: '1' });
      const url = new URL('http://localhost/mcp/fs');
      await client.connect(new StreamableHTTPClientTransport(url, { fetch: socketFetch(socket) }) as never);
      open.push(client);
      return async () => {
        const { content } = await client.callTool({ name: 'secret', arguments: {} });
        return (content as { text: string }[])[0]?.text;
      };
    };
    const first = await connect();
    expect(await first()).toBe('token=quux-second');
    put('quux-third');
    const next = await connect();
    expect(await next()).toBe('token=quux-third');
    expect(await first()).toBe('token=quux-second');
  }, 180_000);
});
