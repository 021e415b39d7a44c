import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import type { startLooms } from '../../support/looms.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

// `serve` of looms.yaml, changed while a gateway runs (docs/commands.md, "Who may do what through it").

describe.skipIf(withoutEngine())('rules that change while a gateway runs', () => {
  const project = testProject('changed-rules');
  const cwd = mkdtempSync(join(tmpdir(), 'looms-rules-'));
  const env = {
    XDG_STATE_HOME: join(cwd, 'state'),
    CI_TOKEN: 'a-token-of-the-pipeline',
    ADA_TOKEN: 'a-token-of-ada-lovelace',
  };
  let gateway: ReturnType<typeof startLooms>;
  let url: string;

  /** As an editor saves it: another file in its place. */
  const write = (serve: string): void => {
    writeFileSync(join(cwd, 'draft'), serve);
    renameSync(join(cwd, 'draft'), join(cwd, 'looms.yaml'));
  };
  const tokens = (...names: string[]): string =>
    names
      .map((name) => `    - { name: ${name}, secret: "\${${name.toUpperCase()}_TOKEN}", allow: ["fs:*"] }\n`)
      .join('');
  const post = async (message: object, token: string, more: Record<string, string> = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const begin = async (token: string): Promise<string> => {
    const clientInfo = { name: 't', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    const { status, headers } = await post({ method: 'initialize', params }, token);
    expect(status).toBe(200);
    return headers.get('mcp-session-id') ?? '';
  };
  const call = (session: string, token: string) =>
    post({ method: 'tools/call', params: { name: 'echo', arguments: { text: 'hi' } } }, token, {
      'mcp-session-id': session,
    });

  beforeAll(async () => {
    write(`serve:\n  tokens:\n${tokens('ci')}`);
    const { code, stderr } = await project.apply(specs(tinySpec({ name: 'fs', memoryMiB: 512 })), [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    gateway = project.start(['serve', '--json', '--listen', '127.0.0.1:0'], { env, cwd });
    const served = await eventually(() => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout());
    });
    url = `${served.url}/mcp/fs`;
  });
  afterAll(async () => {
    gateway?.child.kill('SIGTERM');
    await project.remove();
    rmSync(cwd, { recursive: true, force: true });
  });

  test('a rule, a limit and a token are taken up, also by sessions that are open', async () => {
    const session = await begin(env.CI_TOKEN);
    expect((await call(session, env.CI_TOKEN)).text).toContain('"hi"');
    expect((await post({ method: 'ping' }, env.ADA_TOKEN)).status).toBe(401);
    write(`serve:\n  policy:\n    - deny: tool.name == "echo"\n  tokens:\n${tokens('ci', 'ada')}`);
    await eventually(async () => expect((await call(session, env.CI_TOKEN)).text).toContain('fs:echo is refused'));
    await begin(env.ADA_TOKEN);
    write(`serve:\n  limits: { body_mb: 1 }\n  tokens:\n${tokens('ci', 'ada')}`);
    await eventually(async () => expect((await call(session, env.CI_TOKEN)).text).toContain('"hi"'));
    expect((await post({ method: 'ping', params: { x: 'x'.repeat(1024 * 1024) } }, env.CI_TOKEN)).status).toBe(413);
  });

  test('a file that is broken, or gone, leaves the old rules, and says so', async () => {
    write(`serve:\n  tokens:\n${tokens('ci')}  policy:\n    - deny: "tool.name =="\n`);
    await eventually(() =>
      expect(gateway.stderr()).toMatch(/looms\.yaml.*the rules of looms\.yaml that were read last hold on/),
    );
    const session = await begin(env.CI_TOKEN);
    expect((await call(session, env.CI_TOKEN)).text).toContain('"hi"');
    rmSync(join(cwd, 'looms.yaml'));
    await eventually(() => expect(gateway.stderr()).toMatch(/is gone .*; the rules/));
    await begin(env.ADA_TOKEN);
  });

  test('a token that is named no more is none, and its session is over', async () => {
    const session = await begin(env.ADA_TOKEN);
    write(`serve:\n  tokens:\n${tokens('ci')}`);
    await eventually(async () => expect((await call(session, env.ADA_TOKEN)).status).toBe(401));
    await begin(env.CI_TOKEN);
  });

  test('a quota of calls holds on where its file is gone', async () => {
    const callAnew = async (): Promise<string> => (await call(await begin(env.CI_TOKEN), env.CI_TOKEN)).text;
    const isRefused = /has made \d+ calls? today/;
    write(`policy: { projects: { "*": { calls_per_day: 1 } } }\nserve:\n  tokens:\n${tokens('ci')}`);
    await eventually(async () => expect(await callAnew()).toMatch(isRefused));
    rmSync(join(cwd, 'looms.yaml'));
    expect(await callAnew()).toMatch(isRefused);
    await eventually(() =>
      expect(gateway.stderr()).toMatch(/is gone.*; what was read of the policies last stays in force/),
    );
    expect(await callAnew()).toMatch(isRefused);
  });
});
