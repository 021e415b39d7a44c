import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { PageServer, PageState } from '../../../src/model/page/state.ts';
import { followEvents } from '../../support/event-source.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { endLoops, soonMs, watchLoop } from '../../support/watch-loop.ts';

type Stream = Awaited<ReturnType<typeof followEvents>>;

describe.skipIf(withoutEngine())('the page of a gateway', () => {
  let project: TestProject;
  const streams: Stream[] = [];
  afterEach(async () => {
    for (const { leave } of streams.splice(0)) await leave();
    await endLoops();
    await project.remove();
  });

  const begin = async (name: string, ...words: string[]) => {
    project = testProject(name);
    const folder = join(emptyFolder(), 'specs');
    mkdirSync(folder);
    const file = join(folder, 'mcp.yaml');
    writeFileSync(file, specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' })));
    const run = watchLoop(project, 'serve', '--watch', '-f', folder, '--listen', '127.0.0.1:0', ...words);
    await run.told(words.includes('--dry-run') ? 'drift' : 'in-sync');
    const { url } = JSON.parse(run.stdout().split('\n')[0] ?? '');
    return { run, file, url };
  };
  /** Logs in as whoever has the address that is printed. */
  const logIn = async (url: string) => {
    const printed = await project.run(['dashboard', '--json']);
    expect(printed.code, printed.stderr).toBe(0);
    const answer = JSON.parse(printed.stdout);
    expect(schemaProblems('dashboard', answer)).toEqual([]);
    const address = new URL(answer.url);
    expect(address.origin).toBe(url);
    const code = address.hash.replace('#c=', '');
    const post = () => fetch(`${url}/page/session`, { method: 'POST', body: JSON.stringify({ code }) });
    const { token } = JSON.parse(await (await post()).text());
    expect((await post()).status).toBe(401);
    return asking(url, token);
  };
  const asking = (url: string, token: string) => ({
    token,
    async ask(path: string, body?: unknown) {
      const response = await fetch(`${url}/page${path}`, {
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      });
      return { status: response.status, body: JSON.parse(await response.text()) };
    },
    async follow(path: string) {
      const stream = await followEvents(`${url}/page${path}`, token);
      streams.push(stream);
      return stream;
    },
  });
  const stateIn = (stream: Stream) => stream.of('state').at(-1)?.data as PageState | undefined;
  const serverIn = (stream: Stream, name: string): PageServer | undefined =>
    stateIn(stream)?.servers.find((one) => one.name === name);
  const soon = (check: () => void) => eventually(async () => check(), soonMs);

  test('shows what is there, calls, stops and starts, and all of it is in the trail', async () => {
    const { url, run, file } = await begin('page');
    const { ask, follow, token } = await logIn(url);
    const stream = await follow('/stream');
    await soon(() =>
      expect(stateIn(stream)).toMatchObject({
        project: project.name,
        engine: { failure: null },
        source: { kind: 'files' },
        principal: 'local',
        may: { operate: true, approve: true },
        plan: { kind: 'known', inSync: true, running: false },
        servers: ['fs', 'web'].map((name) => ({
          name,
          state: 'running',
          health: { state: 'healthy' },
          generation: 1,
          drift: { kind: 'known', action: 'unchanged', fields: 0 },
          limits: { memoryBytes: 128 * 1024 * 1024 },
        })),
      }),
    );
    await soon(() => expect(serverIn(stream, 'fs')?.use?.memoryBytes).toBeGreaterThan(0));
    await soon(() => expect(stream.of('sample').length).toBeGreaterThan(0));

    const detail = await ask('/servers/fs');
    expect(detail.body).toMatchObject({
      diff: { kind: 'known', action: 'unchanged', fields: [], drift: [] },
      history: [{ generation: 1, live: true }],
      container: { name: `looms-${project.name}-fs`, exitCode: null },
    });
    const names = detail.body.tools.list.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['echo', 'fail', 'break', 'wait', 'secret']);
    expect((await ask('/servers/none')).status).toBe(404);

    const call = (tool: string, args: object) => ask('/call', { server: 'fs', tool, arguments: args });
    expect((await call('echo', { text: 'hello', times: 2 })).body.result.content[0].text).toBe('hello hello');
    expect((await call('fail', {})).body.result.isError).toBe(true);
    expect((await call('break', {})).body.error).toMatchObject({ message: 'broken inside' });
    // How a call ended is written down after it was answered.
    await eventually(async () => {
      const trail = await ask('/audit?server=fs&limit=2');
      expect(trail.body.calls).toMatchObject([
        { tool: 'break', principal: 'local', result: 'json-rpc-error' },
        { tool: 'fail', principal: 'local', result: 'tool-error' },
      ]);
    }, soonMs);
    await soon(() =>
      expect(stateIn(stream)?.tools).toContainEqual(
        expect.objectContaining({ server: 'fs', tool: 'echo', calls: 1, failed: 0 }),
      ),
    );

    // Stopped here, it is a person's word: the loop leaves it.
    expect((await ask('/act', { deed: 'stop', server: 'web' })).body.error.code).toBe('not-confirmed');
    expect((await ask('/act', { deed: 'stop', server: 'web', repeat: 'web' })).body.outcome).toBe('done');
    await soon(() => expect(serverIn(stream, 'web')?.health.state).toBe('stopped'));
    await soon(() => expect(stream.of('event').some(({ data }) => data.action === 'stop')).toBe(true));
    const changes = await ask('/audit?server=web&limit=1');
    expect(changes.body.changes).toMatchObject([{ command: 'looms mcp stop', principal: 'local', result: 'done' }]);
    expect((await ask('/act', { deed: 'start', server: 'web' })).body.outcome).toBe('done');
    expect((await ask('/act', { deed: 'restart', server: 'web' })).body.outcome).toBe('done');
    await soon(() => expect(serverIn(stream, 'web')).toMatchObject({ state: 'running', generation: 2 }));

    // What the loop does is seen as it does it.
    writeFileSync(file, specs(tinySpec({ name: 'fs', memoryMiB: 96 }), tinySpec({ name: 'web' })));
    await soon(() => expect(serverIn(stream, 'fs')).toMatchObject({ generation: 2, drift: { action: 'unchanged' } }));
    await soon(() =>
      expect(stream.of('event').find(({ data }) => data.action === 'replace' && data.server === 'fs')).toBeDefined(),
    );
    expect((await fetch(`${url}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })).status).toBe(
      401,
    );
    expect(await run.ended()).toBe(130);
  }, 300_000);

  test('a plan waits with --dry-run, and is carried out when it is approved, and no other one', async () => {
    const { url, run, file } = await begin('page-plan', '--dry-run');
    const { ask, follow } = await logIn(url);
    const stream = await follow('/stream');
    const plan = () => {
      const found = stateIn(stream)?.plan;
      return found?.kind === 'known' ? found : undefined;
    };
    await soon(() => expect(plan()).toMatchObject({ inSync: false, waits: [{ server: null }] }));
    expect(plan()?.text).toContain('create');
    expect(serverIn(stream, 'fs')).toMatchObject({ state: null, drift: { action: 'create' } });
    expect((await ask('/servers/fs')).body).toMatchObject({ container: null, tools: { kind: 'unknown' } });
    const old = plan()?.digest ?? '';
    writeFileSync(file, tinySpec({ name: 'fs' }));
    await soon(() => expect(plan()?.digest).not.toBe(old));
    expect(await ask('/plan', { digest: old })).toMatchObject({ status: 409, body: { error: { code: 'plan-stale' } } });
    const approved = await ask('/plan', { digest: plan()?.digest });
    expect(approved.body).toMatchObject({ outcome: 'done', servers: [{ server: 'fs', outcome: 'done' }] });
    await soon(() => expect(plan()?.inSync).toBe(true));
    expect(serverIn(stream, 'fs')).toMatchObject({ state: 'running', generation: 1 });
    expect(await run.ended()).toBe(130);
  }, 300_000);

  test('a token sees and does what its scopes say; without files that are watched nothing is said of them', async () => {
    project = testProject('page-token');
    const file = join(emptyFolder(), 'mcp.yaml');
    writeFileSync(file, tinySpec({ name: 'fs' }));
    expect((await project.run(['apply', '-f', file, '--yes'])).code).toBe(0);
    const none = await project.run(['dashboard']);
    expect(none.code).toBe(69);
    expect(none.stderr).toContain('looms serve --watch -f FILE --listen 127.0.0.1:7777');
    const run = project.start(['serve', '--listen', '127.0.0.1:0', '--json']);
    await eventually(async () => expect(run.stdout()).toContain('\n'), soonMs);
    const { url } = JSON.parse(run.stdout().split('\n')[0] ?? '');
    const made = await project.run(['token', 'new', '--name', 'viewer', '--allow', 'looms:page', '--json']);
    const viewer = asking(url, JSON.parse(made.stdout).token);
    const stream = await viewer.follow('/stream');
    await soon(() =>
      expect(stateIn(stream)).toMatchObject({
        principal: 'viewer',
        may: { logs: false, audit: false, operate: false, approve: false },
        plan: { kind: 'unknown' },
        source: { kind: 'unknown' },
        servers: [{ name: 'fs', state: 'running', drift: { kind: 'unknown' } }],
      }),
    );
    for (const [path, body] of [
      ['/log?server=*'],
      ['/audit'],
      ['/act', { deed: 'stop', server: 'fs', repeat: 'fs' }],
      ['/call', { server: 'fs', tool: 'echo', arguments: { text: 'x' } }],
      ['/plan', { digest: 'x' }],
    ] as const) {
      expect(await viewer.ask(path, body), path).toMatchObject({
        status: 403,
        body: { error: { code: 'insufficient-scope' } },
      });
    }
    const own = await logIn(url);
    expect((await own.ask('/plan', { digest: 'x' })).body.error.code).toBe('refused');
    const log = await own.follow('/log?server=fs&grep=.');
    await soon(() => expect(log.of('live')).toHaveLength(1));
    const nobody = await own.follow('/log?server=none');
    await soon(() => expect(nobody.of('end')[0]?.data).toMatchObject({ error: { code: 'server-not-found' } }));
    expect((await project.run(['token', 'revoke', 'viewer'])).code).toBe(0);
    await soon(() => expect(stream.isOver()).toBe(true));
    expect(stream.told.at(-1)?.event).toBe('end');
    run.child.kill('SIGINT');
    await run.finished;
  }, 300_000);
});
