import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { parsed } from '../../support/prometheus.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { endLoops, watchLoopWith } from '../../support/watch-loop.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

/** Looks are 15 s apart, messages wait half a minute and ends a whole one; the rest is for a busy machine. */
const lateMs = 240_000;
const secret = 'a key that nobody guesses';
const percent = /^\d+(\.\d)? %$/;

describe.skipIf(withoutEngine())('alerts of looms.yaml', () => {
  let project: TestProject;
  let hook: Awaited<ReturnType<typeof webhookReceiver>>;
  afterEach(async () => {
    await endLoops();
    await hook.close();
    await project.remove();
  });
  const begin = async (label: string, alerts: readonly string[], servers: string) => {
    project = testProject(label);
    hook = await webhookReceiver(secret);
    const cwd = emptyFolder();
    const folder = join(cwd, 'specs');
    mkdirSync(folder);
    const declare = (text: string) => writeFileSync(join(folder, 'mcp.yaml'), text);
    declare(servers);
    const settings = { alerts, alert_to: { url: '${secret:hook}', remind: '4h' } };
    writeFileSync(join(cwd, 'looms.yaml'), JSON.stringify(settings));
    // Whoever runs the tests may have stored a secret of that name.
    const stores = { XDG_CONFIG_HOME: emptyFolder(), XDG_DATA_HOME: emptyFolder() };
    const env = { ...stores, LOOMS_SECRET_HOOK: hook.url, LOOMS_SECRET_LOOMS_ALERTS: secret };
    const watch = (...words: readonly string[]) =>
      watchLoopWith(project, { cwd, env }, 'watch', '-f', 'specs', '--listen', '127.0.0.1:0', ...words);
    return { cwd, declare, watch, env };
  };
  const firing = async (loop: ReturnType<typeof watchLoopWith>): Promise<string[]> => {
    const [, url = ''] = /telling of the loop at (http:\S+)/.exec(loop.stderr()) ?? [];
    const found = parsed(await (await fetch(`${url}/metrics`)).text()).get('looms_alert_firing')?.samples ?? [];
    return found.flatMap(({ labels, value }) => (value === 1 ? [`${labels.server} ${labels.alert}`] : [])).sort();
  };
  const inContainer = async (server: string, command: string): Promise<void> => {
    const exec = await project.container(server).exec({ Cmd: ['sh', '-c', command], User: '0' });
    const stream = await exec.start({ Detach: false });
    await new Promise((resolve) => stream.on('end', resolve).on('close', resolve).resume());
  };

  test('fire, are told once, survive a kill of the loop, and resolve', async () => {
    const backend = { security: { tmpfs: { '/fill': '100m' } } };
    const full = tinySpec({ name: 'full', memoryMiB: 128, backend });
    const rules = ['full: memory > 50%', 'health is down for 2s'];
    const { cwd, env, declare, watch } = await begin(
      'alerts',
      rules,
      specs(full, tinySpec({ name: 'ill', kind: 'dies' })),
    );
    const loop = watch();
    await eventually(() => expect(loop.of('changed'), loop.stderr()).not.toEqual([]), lateMs);
    await inContainer('full', 'head -c 80000000 /dev/zero > /fill/it');
    const fired = ['full full: memory > 50% firing', 'ill health is down for 2s firing'];
    await eventually(() => expect(hook.told(), loop.stderr()).toEqual(fired), lateMs);
    expect(await firing(loop)).toEqual(['full full: memory > 50%', 'ill health is down for 2s']);
    expect(
      loop
        .of('alert')
        .map(({ server, state }) => `${server} ${state}`)
        .sort(),
    ).toEqual(['full firing', 'ill firing']);
    const [message] = hook.messages;
    expect(message).toMatchObject({ v: 1, type: 'alerts', project: project.name });
    const full1 = hook.messages.flatMap(({ alerts }) => alerts).find(({ server }) => server === 'full');
    expect(full1).toMatchObject({ reminder: false, value: expect.stringMatching(percent) });

    // What is shown elsewhere is what the loop keeps.
    const get = await project.run(['get', '--json'], { cwd, env });
    const shown = JSON.parse(get.stdout);
    expect(schemaProblems('get', shown)).toEqual([]);
    // The other one has a container while it is tried again, and none between.
    expect(shown.find(({ name }: { name: string }) => name === 'full')).toMatchObject({
      alerts: [{ rule: 'full: memory > 50%', state: 'firing', value: expect.stringMatching(percent) }],
    });
    const table = await project.run(['get'], { cwd, env });
    expect(table.stdout).toContain('full: memory > 50%');
    expect(table.stdout).toContain('ill');

    loop.child.kill('SIGKILL');
    await loop.finished;
    const next = watch();
    await eventually(() => expect(next.of('watching'), next.stderr()).toHaveLength(1), lateMs);
    await eventually(async () => expect(await firing(next)).toHaveLength(2), lateMs);
    await inContainer('full', 'rm /fill/it');
    declare(specs(full, tinySpec({ name: 'ill' })));
    const ended = ['full full: memory > 50% resolved', 'ill health is down for 2s resolved'];
    await eventually(() => expect(hook.told(), next.stderr()).toEqual([...fired, ...ended].sort()), lateMs);
    expect(hook.refused).toEqual([]);
    expect(
      next
        .of('alert')
        .map(({ server, state }) => `${server} ${state}`)
        .sort(),
    ).toEqual(['full resolved', 'ill resolved']);
    expect(await firing(next)).toEqual([]);
    expect(JSON.parse((await project.run(['get', '--json'], { cwd, env })).stdout)).toMatchObject([
      { name: 'full', alerts: [] },
      { name: 'ill', alerts: [] },
    ]);
    expect(await next.ended()).toBe(130);
  }, 600_000);

  test('tell of drift where nothing is repaired; what nobody took is told later, and what has no secret never', async () => {
    const spec = tinySpec({ name: 'fs' });
    const { watch, env } = await begin('drift-alert', ['drift'], spec);
    expect((await project.apply(spec)).code).toBe(0);
    await project.container('fs').update({ Memory: 100 * 1024 * 1024, MemorySwap: 100 * 1024 * 1024 });
    const secretless = env.LOOMS_SECRET_LOOMS_ALERTS;
    Object.assign(env, { LOOMS_SECRET_LOOMS_ALERTS: '' });
    const mute = watch('--dry-run');
    await eventually(() => expect(mute.of('away'), mute.stderr()).toHaveLength(1), lateMs);
    expect(mute.of('away')).toMatchObject([{ what: 'receiver', failure: { code: 'secret-missing' } }]);
    expect(mute.stdout()).toContain('looms-alerts');
    expect(await mute.ended()).toBe(130);
    expect([...hook.messages, ...hook.refused]).toEqual([]);

    Object.assign(env, { LOOMS_SECRET_LOOMS_ALERTS: secretless });
    hook.state.isBroken = true;
    const loop = watch('--dry-run');
    await eventually(() => expect(loop.of('away'), loop.stderr()).toHaveLength(1), lateMs);
    expect(hook.refused.length).toBeGreaterThanOrEqual(3);
    expect(new Set(hook.refused.map((body) => JSON.parse(body).id)).size).toBe(1);
    hook.state.isBroken = false;
    await eventually(() => expect(loop.of('back'), loop.stderr()).toHaveLength(1), lateMs);
    expect(hook.told()).toEqual(['fs drift firing']);
    expect(hook.messages[0]?.alerts[0]?.value).toContain('memory');
    await project.container('fs').update({ Memory: 128 * 1024 * 1024, MemorySwap: 128 * 1024 * 1024 });
    await eventually(() => expect(hook.told()).toEqual(['fs drift firing', 'fs drift resolved']), lateMs);
    expect(await loop.ended()).toBe(130);
  }, 600_000);
});
