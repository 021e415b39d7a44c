import { describe, expect, it } from 'vitest';
import type { Observed, ObservedContainer } from '../../../../src/docker/model/observed.ts';
import type { DeclaredServer } from '../../../../src/model/desired.ts';
import { asContainerId, asNetworkId, asServerName } from '../../../../src/model/ids.ts';
import { format } from '../../../support/format-plan.ts';
import { simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, httpServer, image, plan, server } from '../../../support/planner-world.ts';

/** The engine after these servers were applied to an empty one. */
const applied = (...servers: Parameters<typeof plan>[0]): Observed =>
  simulate(plan(servers, emptyEngine()), emptyEngine()).end;

const withContainer = (observed: Observed, to: (container: ObservedContainer) => ObservedContainer): Observed => ({
  ...observed,
  containers: observed.containers.map(to),
});

/** That server a did not answer, in the container that serves. */
const unanswered = ({ containers: [asked] }: Observed) =>
  new Map([
    [asServerName('a'), { container: asked?.id ?? asContainerId(''), why: 'did not answer 3 times: it hangs' }],
  ]);

const text = (...input: Parameters<typeof plan>): string => format(plan(...input));

describe('a server that is not there', () => {
  it('is created, started, gated, and only then given its name', () => {
    expect(text([server('a')], emptyEngine())).toMatchInlineSnapshot(`
      "a: create (missing)
      network looms-test: create
      network:isolated/create: create network looms-test
      a/create: create looms-test-a.g1 from example:1 after network:isolated/create
      a/start: start looms-test-a.g1 after a/create
      a/gate: gate: looms-test-a.g1 answers MCP within 30s after a/start
      a/discard: remove looms-test-a.g1 (a/create) after a/start, a/gate only if a/start or a/gate fails
      a/rename: rename looms-test-a.g1 to looms-test-a after a/gate"
    `);
  });

  describe('of an image that the engine has for another architecture', () => {
    const engine = emptyEngine({ images: { 'example:1': { ...image('example:1'), architecture: 'arm64' } } });
    const pulls = (...servers: Parameters<typeof plan>[0]) =>
      plan(servers, engine).steps.flatMap((step) =>
        step.op === 'pull-image' ? [{ ref: step.ref, platform: step.platform, cause: step.cause }] : [],
      );

    it('waits for the one of its platform', () => {
      expect(pulls(server('a', { platform: 'linux/amd64' }))).toEqual([
        {
          ref: 'example:1',
          platform: 'linux/amd64',
          cause: expect.objectContaining({ why: 'the one on the engine is for arm64' }),
        },
      ]);
    });

    it.each([
      ['it is of its platform under another name of that', [server('a', { platform: 'linux/aarch64' })]],
      ['nothing says which platform', [server('a')]],
      ['nothing may be pulled', [server('a', { platform: 'linux/amd64', pullPolicy: 'never' })]],
      ['another server has the name for its platform', [server('a', { platform: 'linux/amd64' }), server('b')]],
    ])('pulls none where %s', (_, servers) => {
      expect(pulls(...servers)).toEqual([]);
    });
  });

  it('waits for its image, its volume and, when it speaks HTTP, for its relay', () => {
    const declared = httpServer('a', {
      image: { kind: 'image', ref: 'absent:1' },
      mounts: [{ type: 'volume', source: 'data', target: '/data', readOnly: false }],
    });
    expect(text([declared], emptyEngine())).toMatchInlineSnapshot(`
      "a: create (missing)
      network looms-test: create
      volume looms-test-data: create
      relay looms-test.relay: create
      image:absent:1: pull absent:1
      network:isolated/create: create network looms-test
      relay:isolated/create: create looms-test.relay from relay:1 after network:isolated/create
      relay:isolated/start: start looms-test.relay after relay:isolated/create
      a/create: create looms-test-a.g1 from absent:1 after image:absent:1, network:isolated/create
      a/start: start looms-test-a.g1 after a/create
      a/gate: gate: looms-test-a.g1 answers MCP within 30s after a/start, relay:isolated/start
      a/discard: remove looms-test-a.g1 (a/create) after a/start, a/gate only if a/start or a/gate fails
      a/rename: rename looms-test-a.g1 to looms-test-a after a/gate"
    `);
  });

  it('takes away again the image that was built for it when it fails, and none that was there before', () => {
    const built = server('a', { image: { kind: 'build', from: 'example:1', run: [], copy: [], env: {} } });
    const { ref } = built.image;
    const discards = (images: Observed['images']): boolean =>
      text([built], emptyEngine({ images: { 'example:1': image('example:1'), ...images } })).includes(`${ref}/discard`);
    expect([{}, { [ref]: null }, { [ref]: image(ref) }].map(discards)).toEqual([true, true, false]);
  });
});

describe('a server that is there', () => {
  it('is left alone when nothing differs', () => {
    expect(text([server('a')], applied(server('a')))).toBe('a: unchanged');
  });

  it('is replaced start-first when its spec changed', () => {
    expect(text([server('a', { limits: { memoryMiB: 256 } })], applied(server('a')))).toMatchInlineSnapshot(`
      "a: replace start-first (spec-changed)
      a/create: create looms-test-a.g2 from example:1
      a/start: start looms-test-a.g2 after a/create
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g2 (a/create) after a/start, a/gate, a/record:failed only if a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g1 c10000000000 after a/drain:old
      a/remove:old: remove looms-test-a.g1 c10000000000 after a/stop:old, a/record:old"
    `);
  });

  it('is replaced stop-first when both generations would write to one volume, and started again if the gate fails', () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const before = applied(httpServer('a', { mounts }));
    const changed = httpServer('a', { mounts, limits: { memoryMiB: 256 } });
    expect(text([changed], before)).toMatchInlineSnapshot(`
      "a: replace stop-first (spec-changed)
      a/create: create looms-test-a.g2 from example:1
      a/drain:old: drain looms-test-a for at most 30s after a/create
      a/stop:old: stop looms-test-a c10100000000 after a/drain:old
      a/start: start looms-test-a.g2 after a/stop:old
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g2 (a/create) after a/drain:old, a/stop:old, a/start, a/gate, a/record:failed only if a/drain:old or a/stop:old or a/start or a/gate fails
      a/start:old: start looms-test-a after a/discard only if a/stop:old or a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/remove:old: remove looms-test-a.g1 c10100000000 after a/rename, a/record:old"
    `);
    const failed = simulate(plan([changed], before), before, { failGate: ['a'] }).end;
    expect(failed.containers.filter((one) => one.role === 'server').map((one) => [one.name, one.state.status])).toEqual(
      [['looms-test-a', 'running']],
    );
  });

  it('is replaced stop-first by a stdio server too where it is itself a process that writes the same volume', () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const orderIn = (before: Observed, declared: DeclaredServer) => plan([declared], before).changes[0];
    expect(orderIn(applied(httpServer('a', { mounts })), server('a', { mounts }))).toMatchObject({
      order: 'stop-first',
      why: 'volume data at /data cannot be written by two generations',
    });
    const changed = server('a', { mounts, limits: { memoryMiB: 256 } });
    expect(orderIn(applied(server('a', { mounts })), changed)).toMatchObject({ order: 'start-first' });
    expect(orderIn(applied(httpServer('a')), httpServer('a', { mounts }))).toMatchObject({ order: 'start-first' });
    const unreadable = withContainer(applied(server('a', { mounts })), ({ recorded: _, ...one }) => one);
    expect(orderIn(unreadable, server('a', { mounts }))).toMatchObject({ order: 'stop-first' });
  });

  it('is not started for a successor that failed where it never ran itself: it may be unfinished', () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const before = withContainer(applied(httpServer('a', { mounts })), (one) => ({
      ...one,
      state: { status: 'created' },
    }));
    const changed = httpServer('a', { mounts, limits: { memoryMiB: 256 } });
    expect(plan([changed], before).steps.map(({ id }) => id)).not.toContain('a/start:old');
  });

  it('is stopped before its files go over to its successor, which starts with them', () => {
    const change = { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] } };
    const made = plan([server('a', { ...change, limits: { memoryMiB: 256 } })], applied(server('a', change)));
    expect(format(made).split('\n').slice(0, 6)).toEqual([
      'a: replace stop-first (spec-changed)',
      'a/create: create looms-test-a.g2 from example:1',
      'a/drain:old: drain looms-test-a for at most 30s after a/create',
      'a/stop:old: stop looms-test-a c10000000000 after a/drain:old',
      'a/carry: carry /state over to looms-test-a.g2 after a/stop:old',
      'a/start: start looms-test-a.g2 after a/carry',
    ]);
  });

  it('gets a new successor instead of one that an interrupted run gave its files of then', () => {
    const change = { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] } };
    const old = applied(server('a', change));
    const wanted = server('a', { ...change, limits: { memoryMiB: 256 } });
    const { end: cut } = simulate(plan([wanted], old), old, { limit: 5 });
    expect(cut.containers.map(({ name }) => name)).toEqual(['looms-test-a', 'looms-test-a.g2']);
    expect(format(plan([wanted], cut))).toContain('a/carry: carry /state over to looms-test-a.g3');
  });

  it('keeps the files of the generation that took over between the two renames, whatever comes after', () => {
    const preserving = (memoryMiB: number) =>
      server('a', { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] }, limits: { memoryMiB } });
    const before = simulate(plan([preserving(1)], emptyEngine()), emptyEngine()).end;
    const { states } = simulate(plan([preserving(2)], before), before);
    const cut = states.find(({ containers }) => !containers.some(({ name }) => name === 'looms-test-a'));
    if (cut === undefined) throw new Error('no moment between the renames');
    const [, second] = cut.containers;
    if (second === undefined) throw new Error('no second generation');
    const files = new Map([...cut.files, [second.id, new Map([['/state', 'by clients']])]]);
    const exited = { status: 'exited', exitCode: 1, finishedAt: 0, oomKilled: false } as const;
    for (const memoryMiB of [1, 2, 3]) {
      for (const state of [second.state, exited]) {
        const containers = cut.containers.map((one) => (one === second ? { ...one, state } : one));
        const now = { ...cut, files, containers };
        const { end } = simulate(plan([preserving(memoryMiB)], now), now);
        const [only, ...others] = end.containers;
        expect([only?.name, others]).toEqual(['looms-test-a', []]);
        expect([...(end.files.get(only?.id ?? second.id) ?? [])]).toEqual([['/state', 'by clients']]);
      }
    }
  });

  it('has at most one successor beside it that failed and was kept for a look, also when files were carried over', () => {
    const change = { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'], autoCleanup: false } };
    let now = applied(server('a', change));
    const wanted = server('a', { ...change, limits: { memoryMiB: 256 } });
    for (const generation of [2, 3, 4]) {
      now = simulate(plan([wanted], now), now, { failGate: ['a'] }).end;
      expect(now.containers.map(({ name }) => name)).toEqual(['looms-test-a', `looms-test-a.g${generation}`]);
    }
  });

  it('is drifted when someone changed its memory by hand, and the drift names the field', () => {
    const drifted = withContainer(applied(server('a')), (one) => ({
      ...one,
      shape: { ...one.shape, memoryBytes: 2 ** 28, memorySwapBytes: 2 ** 28 },
    }));
    expect(plan([server('a')], drifted).drift).toMatchInlineSnapshot(`
      [
        {
          "container": "c10000000000",
          "fields": [
            {
              "from": "256 MiB",
              "path": "docker_backend.resource_limits.memory_mb",
              "to": "512 MiB",
            },
          ],
          "server": "a",
        },
      ]
    `);
    expect(plan([server('a')], drifted).changes[0]).toMatchObject({ action: 'replace', order: 'start-first' });
  });

  it('is drifted when someone connected it to another network', () => {
    const drifted = withContainer(applied(server('a')), (one) => ({
      ...one,
      shape: { ...one.shape, networks: [...one.shape.networks, { name: 'bridge', aliases: [] }] },
    }));
    expect(plan([server('a')], drifted).drift[0]?.fields).toEqual([
      { path: 'docker_backend.network.bridge', from: 'name=bridge', to: 'none' },
    ]);
  });

  it('is replaced when its tag means another image now', () => {
    const before = applied(server('a'));
    const retagged = {
      ...before,
      images: { ...before.images, 'example:1': image('example:1', 'sha256:0123456789abcdef') },
    };
    expect(plan([server('a')], retagged).changes[0]).toMatchObject({
      action: 'replace',
      reasons: [{ kind: 'image-changed', fields: [{ path: 'image', to: 'example:1 (0123456789ab)' }] }],
    });
  });

  it('is started and gated again when it was stopped', () => {
    const stopped = withContainer(applied(server('a')), (one) => ({
      ...one,
      state: { status: 'exited', exitCode: 137, finishedAt: 5, oomKilled: false },
    }));
    expect(text([server('a')], stopped)).toMatchInlineSnapshot(`
      "a: start (exited)
      a/start: start looms-test-a
      a/gate: gate: looms-test-a answers MCP within 30s after a/start"
    `);
  });

  it('is stopped when it is disabled, and started when it is enabled again', () => {
    const running = applied(server('a'));
    const off = plan([server('a', { enabled: false })], running);
    expect(format(off)).toMatchInlineSnapshot(`
      "a: stop (disabled)
      a/stop:c10000: stop looms-test-a c10000000000"
    `);
    const stopped = simulate(off, running).end;
    expect(text([server('a', { enabled: false })], stopped)).toBe('a: unchanged');
    expect(plan([server('a')], stopped).changes[0]).toMatchObject({ action: 'start' });
  });

  it('is renamed back after someone renamed it', () => {
    const renamed = withContainer(applied(server('a')), (one) => ({ ...one, name: 'mine' }));
    expect(text([server('a')], renamed)).toMatchInlineSnapshot(`
      "a: rename (misnamed)
      a/gate: gate: mine answers MCP within 30s
      a/rename: rename mine to looms-test-a after a/gate"
    `);
  });

  it('gets its name back in one run also when two were exchanged by hand', () => {
    const names: Readonly<Record<string, string>> = { 'looms-test-a': 'looms-test-b', 'looms-test-b': 'looms-test-a' };
    const mixed = withContainer(applied(server('a'), server('b')), (one) => ({
      ...one,
      name: names[one.name] ?? one.name,
    }));
    const servers = [server('a'), server('b')];
    expect(text(servers, mixed)).toMatchInlineSnapshot(`
      "a: rename (misnamed)
      b: rename (misnamed)
      name:c10000000000/free: rename looms-test-b to looms-test-a.aside-c10000
      name:c10100000000/free: rename looms-test-a to looms-test-b.aside-c10100
      a/gate: gate: looms-test-b answers MCP within 30s after name:c10000000000/free
      a/rename: rename looms-test-b to looms-test-a after a/gate, name:c10100000000/free, name:c10000000000/free
      b/gate: gate: looms-test-a answers MCP within 30s after name:c10100000000/free
      b/rename: rename looms-test-a to looms-test-b after b/gate, name:c10000000000/free, name:c10100000000/free"
    `);
    expect(text(servers, simulate(plan(servers, mixed), mixed).end)).toBe('a: unchanged\nb: unchanged');
  });

  it('is replaced when its record cannot be read', () => {
    const unreadable = withContainer(applied(server('a')), ({ recorded: _, ...one }) => one);
    expect(plan([server('a')], unreadable).changes[0]).toMatchObject({
      action: 'replace',
      reasons: [{ kind: 'unreadable-record' }],
    });
  });

  it('is replaced where a record that is not ours has the hash of the declared spec beside another spec', () => {
    const foreignRecord = { digest: 'd', maker: { kind: 'unsigned' }, imageId: 'i' } as const;
    const other = server('a', { environment: { FORGED: { kind: 'literal', value: 'yes' } } });
    const forged = withContainer(applied(other), (one) => ({ ...one, foreignRecord, specHash: server('a').hash }));
    expect(plan([server('a')], forged).changes[0]).toMatchObject({
      action: 'replace',
      reasons: [{ kind: 'spec-changed', fields: [{ path: 'docker_backend.environment.FORGED' }] }],
    });
    const same = withContainer(applied(server('a')), (one) => ({ ...one, foreignRecord }));
    expect(text([server('a')], same)).toBe('a: unchanged');
  });

  it('is not replaced when only the version of its hash differs', () => {
    const older = withContainer(applied(server('a')), (one) => ({ ...one, specHash: 'v0:123' }));
    expect(text([server('a')], older)).toBe('a: unchanged');
  });

  it('is due for rotation by age on the engine’s clock, and by executions', () => {
    const declared = server('a', { lifecycle: { rotationIntervalHours: 24, maxExecutions: 10 } });
    const running = applied(declared);
    const later = { ...running, now: running.now + 24 * 3_600_000 };
    expect(plan([declared], later).changes[0]).toMatchObject({ reasons: [{ kind: 'rotation-due', by: 'age' }] });
    const executions = new Map([[running.containers[0]?.id ?? asContainerId(''), 10]]);
    expect(plan([declared], running, { executions }).changes[0]).toMatchObject({
      reasons: [{ kind: 'rotation-due', by: 'executions' }],
    });
    expect(plan([declared], running).changes[0]).toMatchObject({ action: 'unchanged' });
  });

  it('is replaced when that was asked for', () => {
    const made = plan([server('a')], applied(server('a')), { replace: new Set([asServerName('a')]) });
    expect(made.changes[0]).toMatchObject({ action: 'replace', reasons: [{ kind: 'requested' }] });
  });

  it('is replaced when it does not answer, and it is told how that was found', () => {
    const running = applied(server('a'), server('b'));
    const made = plan([server('a'), server('b')], running, { unhealthy: unanswered(running) });
    expect(made.changes).toMatchObject([
      { action: 'replace', reasons: [{ kind: 'unhealthy', why: 'did not answer 3 times: it hangs' }] },
      { action: 'unchanged' },
    ]);
  });

  it('is not replaced for the silence of a container that somebody has replaced since', () => {
    const running = applied(server('a'));
    const next = withContainer(running, (one) => ({ ...one, id: asContainerId('another') }));
    expect(plan([server('a')], next, { unhealthy: unanswered(running) }).changes[0]?.action).toBe('unchanged');
  });

  it('is not replaced for its silence where somebody stopped it since', () => {
    const unhealthy = unanswered(applied(server('a')));
    const actionOf = (state: ObservedContainer['state']) =>
      plan(
        [server('a')],
        withContainer(applied(server('a')), (one) => ({ ...one, state })),
        { unhealthy },
      ).changes[0]?.action;
    expect(actionOf({ status: 'exited', exitCode: 0, finishedAt: 0, oomKilled: false })).toBe('start');
    expect(actionOf({ status: 'restarting', exitCode: 1 })).toBe('replace');
    expect(actionOf({ status: 'running', startedAt: 0, paused: true })).toBe('replace');
  });
});

describe('a volume', () => {
  const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
  const freshOf = (observed: Observed): readonly string[] =>
    plan([server('a', { mounts })], observed).steps.flatMap((step) =>
      step.op === 'create-container' ? step.container.freshVolumes : [],
    );

  it('is given to its user when it is made, and also when a killed run may not have come that far', () => {
    expect(freshOf(emptyEngine())).toEqual(['/data']);
    const cut = simulate(plan([server('a', { mounts })], emptyEngine()), emptyEngine(), { limit: 2 }).end;
    expect(freshOf({ ...cut, volumes: [{ name: 'looms-test-data', ours: true }] })).toEqual(['/data']);
  });

  it('is left alone once a server uses it; one that nobody uses is looked into by the engine', () => {
    const volumes = [{ name: 'looms-test-data', ours: true }];
    expect(freshOf(emptyEngine({ volumes }))).toEqual(['/data']);
    const used = applied(server('b', { mounts }));
    expect(freshOf(used)).toEqual([]);
  });
});

describe('what an interrupted run left', () => {
  const before = applied(server('a'));
  const changed = server('a', { limits: { memoryMiB: 256 } });

  it('goes on at the gate when the new generation runs but did not pass it', () => {
    const cut = simulate(plan([changed], before), before, { limit: 2 }).end;
    expect(cut.containers.map((one) => [one.name, one.state.status])).toEqual([
      ['looms-test-a', 'running'],
      ['looms-test-a.g2', 'running'],
    ]);
    expect(text([changed], cut)).toMatchInlineSnapshot(`
      "a: replace start-first (interrupted-rotation, spec-changed)
      a/gate: gate: looms-test-a.g2 answers MCP within 30s
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/gate only if a/gate fails
      a/discard: remove looms-test-a.g2 c10100000000 after a/gate, a/record:failed only if a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g1 c10000000000 after a/drain:old
      a/remove:old: remove looms-test-a.g1 c10000000000 after a/stop:old, a/record:old"
    `);
  });

  it('lets the old one serve again while a dead successor is tried once more', () => {
    const cut = simulate(plan([changed], before), before, { limit: 2 }).end;
    const dead = withContainer(cut, (one) => ({
      ...one,
      state: { status: 'exited', exitCode: 1, finishedAt: 5, oomKilled: false },
    }));
    expect(plan([changed], dead).steps.map((step) => step.id)).toMatchInlineSnapshot(`
      [
        "a/start",
        "a/gate",
        "a/record:failed",
        "a/discard",
        "a/start:old",
        "a/record:old",
        "a/rename:old",
        "a/rename",
        "a/remove:old",
      ]
    `);
  });

  it('goes on between the two renames of a hand-over: the new one gets the name before the old one is drained', () => {
    const cut = simulate(plan([changed], before), before, { limit: 4 }).end;
    expect(cut.containers.map((one) => one.name)).toEqual(['looms-test-a.g1', 'looms-test-a.g2']);
    expect(text([changed], cut)).toMatchInlineSnapshot(`
      "a: start (gate-pending)
      a/gate: gate: looms-test-a.g2 answers MCP within 30s
      a/rename: rename looms-test-a.g2 to looms-test-a after a/gate
      a/record:g1-c10000: record looms-test-a.g1 as looms-test-a.h1 (replaced) after a/rename
      a/drain:g1-c10000: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:g1-c10000: stop looms-test-a.g1 c10000000000 after a/drain:g1-c10000
      a/remove:g1-c10000: remove looms-test-a.g1 c10000000000 after a/stop:g1-c10000, a/record:g1-c10000"
    `);
  });

  it('only clears the old one away once the new one has the name', () => {
    const cut = simulate(plan([changed], before), before, { limit: 5 }).end;
    expect(cut.containers.map((one) => one.name)).toEqual(['looms-test-a.g1', 'looms-test-a']);
    expect(text([changed], cut)).toMatchInlineSnapshot(`
      "a: clean-up (duplicate)
      a/record:g1-c10000: record looms-test-a.g1 as looms-test-a.h1 (replaced)
      a/drain:g1-c10000: drain looms-test-a.g1 for at most 30s
      a/stop:g1-c10000: stop looms-test-a.g1 c10000000000 after a/drain:g1-c10000
      a/remove:g1-c10000: remove looms-test-a.g1 c10000000000 after a/stop:g1-c10000, a/record:g1-c10000"
    `);
  });

  it('removes a generation that never passed its gate when the gate fails again', () => {
    const cut = simulate(plan([server('a')], emptyEngine()), emptyEngine(), { limit: 3 }).end;
    const made = plan([server('a')], cut);
    expect(made.changes[0]).toMatchObject({ action: 'start', reasons: [{ kind: 'gate-pending' }] });
    expect(simulate(made, cut, { failGate: ['a'] }).end.containers).toEqual([]);
  });

  it('keeps the lower of two equal generations and removes the rest', () => {
    const one = before.containers[0] as ObservedContainer;
    const twins = {
      ...before,
      containers: [one, { ...one, id: asContainerId('twin'), name: 'looms-test-a.g2', generation: 2 }],
    };
    expect(text([server('a')], twins)).toMatchInlineSnapshot(`
      "a: clean-up (duplicate)
      a/drain:g2-twin: drain looms-test-a.g2 for at most 30s
      a/stop:g2-twin: stop looms-test-a.g2 twin after a/drain:g2-twin
      a/remove:g2-twin: remove looms-test-a.g2 twin after a/stop:g2-twin"
    `);
  });
});

describe('a generation that an interrupted run left writing a volume', () => {
  const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
  const version = (memoryMiB: number) => httpServer('a', { mounts, limits: { memoryMiB } });
  const first = applied(version(1));
  const cut = simulate(plan([version(2)], first), first, { limit: 4 }).end;
  const servers = ({ containers }: Observed) =>
    containers.filter(({ role }) => role === 'server').map(({ name, state }) => `${name} ${state.status}`);

  it('is stopped before the one before it is started again', () => {
    expect(servers(cut)).toEqual(['looms-test-a exited', 'looms-test-a.g2 running']);
    expect(text([version(1)], cut)).toMatchInlineSnapshot(`
      "a: start (exited)
      a/drain:g2-c10200: drain looms-test-a.g2 for at most 30s
      a/stop:g2-c10200: stop looms-test-a.g2 c10200000000 after a/drain:g2-c10200
      a/start: start looms-test-a after a/stop:g2-c10200
      a/gate: gate: looms-test-a answers MCP within 30s after a/start
      a/remove:g2-c10200: remove looms-test-a.g2 c10200000000 after a/gate"
    `);
  });

  it('is stopped before a further one is started, and stays so when that fails: what served before serves again', () => {
    const made = plan([version(3)], cut);
    expect(format(made)).toMatchInlineSnapshot(`
      "a: replace stop-first (spec-changed)
      a/create: create looms-test-a.g3 from example:1
      a/drain:g2-c10200: drain looms-test-a.g2 for at most 30s after a/create
      a/stop:g2-c10200: stop looms-test-a.g2 c10200000000 after a/drain:g2-c10200
      a/start: start looms-test-a.g3 after a/stop:g2-c10200
      a/gate: gate: looms-test-a.g3 answers MCP within 30s after a/start
      a/record:failed: record looms-test-a.g3 as looms-test-a.h3 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g3 (a/create) after a/drain:g2-c10200, a/stop:g2-c10200, a/start, a/gate, a/record:failed only if a/drain:g2-c10200 or a/stop:g2-c10200 or a/start or a/gate fails
      a/start:old: start looms-test-a after a/discard only if a/stop:g2-c10200 or a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g3 to looms-test-a after a/rename:old
      a/remove:old: remove looms-test-a.g1 c10100000000 after a/rename, a/record:old
      a/remove:g2-c10200: remove looms-test-a.g2 c10200000000 after a/gate"
    `);
    expect(servers(simulate(made, cut, { failGate: ['a'] }).end)).toEqual([
      'looms-test-a running',
      'looms-test-a.g2 exited',
    ]);
  });

  it('is stopped before a stdio server is started that writes it too', () => {
    const made = plan([server('a', { mounts })], cut);
    expect(made.changes).toMatchObject([{ action: 'replace', order: 'stop-first' }]);
    expect(made.steps.find(({ id }) => id === 'a/start')?.after).toEqual([expect.stringContaining('a/stop:g2')]);
  });

  it('keeps the one before it from being started again for a successor that writes nothing', () => {
    const preserving = server('a', { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] } });
    const made = plan([preserving], cut);
    expect(servers(simulate(made, cut, { failGate: ['a'] }).end)).toEqual(servers(cut));
  });
});

describe('what is not ours', () => {
  it('keeps its name, also where an old generation would be drained under it', () => {
    const before = applied(server('a'));
    const foreign = [{ id: asContainerId('f'), name: 'looms-test-a.g1', image: 'nginx', owner: 'nobody' }];
    const made = plan([server('a', { limits: { memoryMiB: 256 } })], { ...before, foreign });
    expect(made.steps.flatMap((step) => (step.op === 'rename-container' ? [`${step.from} ${step.to}`] : []))).toEqual([
      'looms-test-a looms-test-a.g3',
      'looms-test-a.g2 looms-test-a',
    ]);
  });

  it('blocks a server whose name it holds, and is not touched', () => {
    const foreign = [{ id: asContainerId('f'), name: 'looms-test-a', image: 'nginx', owner: 'nobody' }];
    const made = plan([server('a'), server('b')], emptyEngine({ foreign }));
    expect(made.changes).toMatchObject([
      { server: 'a', action: 'blocked', why: { kind: 'name-taken' } },
      { server: 'b', action: 'create' },
    ]);
    expect(made.steps.some((step) => step.server === 'a')).toBe(false);
  });

  it('blocks servers whose network is someone else’s', () => {
    const networks = [
      { id: 'n', name: 'looms-test', driver: 'bridge', internal: false, options: {}, ours: false, members: [] },
    ] as never;
    expect(plan([server('a')], emptyEngine({ networks })).changes).toMatchObject([
      { action: 'blocked', why: { kind: 'network-taken' } },
    ]);
  });

  it('asks for a network that hides the host only where the engine can make one', () => {
    const { engine } = emptyEngine({});
    const open = { ...engine, kind: 'podman', canHideHost: false } as const;
    const network = {
      id: 'n',
      name: 'looms-test',
      driver: 'bridge',
      internal: true,
      options: {},
      ours: true,
      members: [],
    };
    const networks = [network] as never;
    expect(plan([server('a')], emptyEngine({ networks })).changes).toMatchObject([{ action: 'blocked' }]);
    expect(plan([server('a')], emptyEngine({ networks, engine: open })).changes).toMatchObject([{ action: 'create' }]);
    const wanted = plan([server('a')], emptyEngine({ engine: open })).steps.find(({ op }) => op === 'create-network');
    expect(wanted).toMatchObject({ network: { internal: true, options: {} } });
  });

  it('blocks a server that mounts somebody else’s volume', () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const observed = emptyEngine({ volumes: [{ name: 'looms-test-data', ours: false }] });
    const made = plan([server('a', { mounts })], observed);
    expect(made.changes).toMatchObject([{ action: 'blocked', why: { kind: 'volume-taken', name: 'looms-test-data' } }]);
    expect(made.steps).toEqual([]);
  });

  it('is left with a warning unless pruning was asked for', () => {
    const both = applied(server('a'), server('b'));
    expect(text([server('a')], both)).toBe('a: unchanged\nwarning test: not-in-spec');
    expect(plan([server('a')], both, { undesired: 'remove' }).changes).toMatchObject([
      { action: 'unchanged' },
      { server: 'b', action: 'remove' },
    ]);
  });
});

describe('the last server', () => {
  it('is drained first, and removed whatever becomes of others, where another engine runs it from now on', () => {
    const both = applied(server('a'), server('b'), server('c'));
    const movedAway = new Set([asServerName('b')]);
    expect(text([server('a')], both, { undesired: 'warn', movedAway })).toMatchInlineSnapshot(`
      "a: unchanged
      b: remove (not-in-spec)
      b/drain:g1-c10100: drain looms-test-b for at most 30s
      b/stop:g1-c10100: stop looms-test-b c10100000000 after b/drain:g1-c10100
      b/record: record looms-test-b as looms-test-b.h1 (deleted) after b/stop:g1-c10100
      b/remove:g1-c10100: remove looms-test-b c10100000000 after b/stop:g1-c10100, b/record
      warning test: not-in-spec"
    `);
    expect(text([server('a')], both, { undesired: 'ignore', movedAway })).toContain('b: remove (not-in-spec)');
  });

  it('takes its relay and its network with it, after it is gone itself', () => {
    expect(text([], applied(httpServer('a')), { undesired: 'remove' })).toMatchInlineSnapshot(`
      "a: remove (not-in-spec)
      network looms-test: remove
      relay looms-test.relay: remove
      a/stop:g1-c10100: stop looms-test-a c10100000000
      a/record: record looms-test-a as looms-test-a.h1 (deleted) after a/stop:g1-c10100
      a/remove:g1-c10100: remove looms-test-a c10100000000 after a/stop:g1-c10100, a/record
      relay:isolated/remove: remove looms-test.relay c10000000000 after a/remove:g1-c10100
      network:isolated/remove: remove network looms-test after a/remove:g1-c10100, relay:isolated/remove"
    `);
  });
});

describe('a plan', () => {
  it('is the same for the same input in any order', () => {
    const observed = applied(server('b'), httpServer('c'));
    const forwards = plan([server('a'), server('b', { limits: { pidsLimit: 7 } }), httpServer('c')], observed);
    const backwards = plan([httpServer('c'), server('b', { limits: { pidsLimit: 7 } }), server('a')], {
      ...observed,
      containers: [...observed.containers].reverse(),
      networks: [...observed.networks].reverse(),
    });
    expect(JSON.stringify(backwards)).toBe(JSON.stringify(forwards));
  });

  it('leaves nothing to do once it was carried out', () => {
    const servers = [
      server('a'),
      httpServer('b'),
      server('c', { network: { mode: 'none' } }),
      httpServer('d', { network: { mode: 'bridge' } }),
    ];
    expect(plan(servers, applied(...servers)).steps).toEqual([]);
  });
});

describe('a mount', () => {
  const mounting = (source: string, mode: 'isolated' | 'none') =>
    plan(
      [server('a', { network: { mode }, mounts: [{ type: 'bind', source, target: '/x', readOnly: true }] })],
      emptyEngine(),
    );

  it.each(['/srv', '/srv/engine', '/srv/engine/volumes/b'])(
    'of what the engine keeps in its folder is none: %s',
    (at) => {
      for (const mode of ['isolated', 'none'] as const) {
        const detail = `${at} is never mounted: the engine keeps its state in /srv/engine, and with it a server has the host`;
        expect(mounting(at, mode).changes).toMatchObject([{ action: 'blocked', why: { kind: 'unsupported', detail } }]);
      }
    },
  );

  it('beside that folder is one', () => {
    expect(mounting('/srv/engines', 'none').changes).toMatchObject([{ action: 'create' }]);
  });
});

describe('what stands behind servers', () => {
  const there = applied(httpServer('a'));
  const theirs = (name: string) => ({ id: asContainerId('f'.repeat(12)), name, image: 'nginx', owner: 'nobody' });
  const open = { name: 'looms-test.open', driver: 'bridge', internal: false, options: {} };

  it('stays with a server that cannot move to another network', () => {
    const observed = {
      ...there,
      networks: [...there.networks, { ...open, id: asNetworkId('n'), ours: false, members: [] }],
    };
    const made = plan([httpServer('a', { network: { mode: 'bridge' } })], observed);
    expect(format(made)).toBe('a: blocked (network-taken)');
  });

  it('is nowhere where its network has IPv6, by which a bridge has an address of the host: the server is blocked', () => {
    const networks = there.networks.map((one) => ({ ...one, ipv6: true }));
    expect(plan([httpServer('b')], { ...there, networks }).changes).toMatchObject([
      { action: 'blocked', why: { kind: 'network-taken', name: 'looms-test: it has IPv6' } },
    ]);
    const bridged = httpServer('a', { network: { mode: 'bridge' } });
    const observed = applied(bridged);
    const asEngineGives = observed.networks.map((one) => ({ ...one, ipv6: true }));
    expect(plan([bridged], { ...observed, networks: asEngineGives }).steps).toEqual([]);
  });

  it('is not made for a server that is blocked', () => {
    const taken = { ...open, name: 'looms-test', id: asNetworkId('n'), ours: false, members: [] };
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const made = plan([httpServer('a', { mounts })], emptyEngine({ networks: [taken] }));
    expect(format(made)).toBe('a: blocked (network-taken)');
  });

  it('is not made under a name that is somebody else’s: the server is blocked', () => {
    const made = plan([httpServer('a')], emptyEngine({ foreign: [theirs('looms-test.relay')] }));
    expect(format(made)).toBe('a: blocked (name-taken)');
  });

  it('is made anew when somebody took the relay off its network', () => {
    const cutOff = (one: ObservedContainer) =>
      one.role === 'relay' ? { ...one, shape: { ...one.shape, networks: [] } } : one;
    const made = plan([httpServer('a')], { ...there, containers: there.containers.map(cutOff) });
    expect(made.support).toMatchObject([{ kind: 'relay', action: 'replace', reasons: [{ kind: 'live-drift' }] }]);
    expect(() => simulate(made, there)).not.toThrow();
  });

  it('and its servers stay when an earlier version named them no name server, and not when somebody named another', () => {
    const asking = (dns: readonly string[]) => ({
      ...there,
      containers: there.containers.map((one) => ({ ...one, shape: { ...one.shape, dns } })),
    });
    expect(there.containers.map(({ shape }) => shape.dns)).toEqual([['127.0.0.1'], ['127.0.0.1']]);
    expect(format(plan([httpServer('a')], asking([])))).toBe('a: unchanged');
    expect(format(plan([httpServer('a')], asking(['8.8.8.8'])))).toContain('drift a: dns 8.8.8.8 -> 127.0.0.1');
  });

  it('is made anew from another image, which is pulled first, and not because its own is gone', () => {
    const other = plan([httpServer('a')], there, { relayImage: 'other:2' });
    expect(other.support).toMatchObject([
      {
        kind: 'relay',
        action: 'replace',
        reasons: [{ kind: 'image-changed', fields: [{ path: 'image', from: 'relay:1', to: 'other:2' }] }],
      },
    ]);
    expect(other.steps.map(({ id }) => id)).toEqual([
      'image:other:2',
      'relay:isolated/drain',
      'relay:isolated/remove',
      'relay:isolated/create',
      'relay:isolated/start',
    ]);
    const { 'relay:1': gone, ...images } = there.images;
    expect(gone).toBeDefined();
    expect(plan([httpServer('a')], { ...there, images }).steps).toEqual([]);
  });

  it.each([
    [{ status: 'running', paused: true }, 'start', 'paused'],
    [{ status: 'created' }, 'start', 'not-started'],
    [{ status: 'restarting', exitCode: 1 }, 'replace', 'unhealthy'],
    [{ status: 'dead' }, 'replace', 'unhealthy'],
  ] as const)('that is %j: %s, since it is %s', (state, action, kind) => {
    const ill = (one: ObservedContainer) => (one.role === 'relay' ? { ...one, state } : one) as ObservedContainer;
    const made = plan([httpServer('a')], { ...there, containers: there.containers.map(ill) });
    expect(made.support).toMatchObject([{ kind: 'relay', action, reasons: [{ kind }] }]);
  });

  it('is there once: of two relays one goes', () => {
    const [relay] = there.containers.filter(({ role }) => role === 'relay');
    if (relay === undefined) throw new Error('no relay');
    const second = { ...relay, id: asContainerId('d'.repeat(12)), name: 'mine' };
    const made = plan([httpServer('a')], { ...there, containers: [second, ...there.containers] });
    expect(made.steps.map((step) => ('name' in step ? `${step.op} ${step.name}` : step.op))).toEqual([
      'remove-container mine',
    ]);
  });
});

describe('a name that another of our own containers holds', () => {
  const there = applied(httpServer('a'));
  const renamed = (role: string, name: string): Observed => ({
    ...there,
    containers: there.containers.map((one) => (one.role === role ? { ...one, name } : one)),
  });

  it('becomes free when a relay has that of the relay of another network', () => {
    const observed = renamed('relay', 'looms-test.relay-open');
    const { end } = simulate(plan([httpServer('a', { network: { mode: 'bridge' } })], observed), observed);
    expect(end.containers.map(({ name }) => name).sort()).toEqual(['looms-test-a', 'looms-test.relay-open']);
  });

  it('becomes free when a record of the past has it', () => {
    const two = simulate(
      plan([server('a', { limits: { memoryMiB: 100 } })], applied(server('a'))),
      applied(server('a')),
    );
    const history = two.end.history.map((one) => ({ ...one, name: 'looms-test-a.g3' }));
    const observed = { ...two.end, history };
    const { end } = simulate(plan([server('a')], observed), observed);
    expect(end.containers.map(({ name }) => name)).toEqual(['looms-test-a']);
  });
});
