import { homedir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { applyWork } from '../../src/app/apply/apply-plan.ts';
import { checkHealth } from '../../src/app/inspect/check-health.ts';
import { getHistory } from '../../src/app/inspect/get-history.ts';
import { openLogs } from '../../src/app/inspect/logs/read-logs.ts';
import { planWork } from '../../src/app/plan/plan-work.ts';
import { restorePlan } from '../../src/app/plan/restore-plan.ts';
import { readSavedPlan, savedPlanOf } from '../../src/app/plan/saved-plan.ts';
import type { Ports } from '../../src/app/ports.ts';
import { openServer } from '../../src/app/talk/open-server.ts';
import { compose } from '../../src/cli/compose/compose.ts';
import type { Composition } from '../../src/cli/compose/composition.ts';
import { thisProgram } from '../../src/cli/terminal/program.ts';
import { containerName, recordName } from '../../src/docker/model/labels.ts';
import type { DeclaredServer, DesiredServer } from '../../src/model/desired.ts';
import { asServerName } from '../../src/model/ids.ts';
import { basisOf } from '../../src/model/plan/plan-basis.ts';
import { recordSpec, specHash } from '../../src/spec/record/record.ts';
import { type EngineBench, engineBench, testImage } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { emptyFolder } from '../support/looms.ts';
import { server as planned, type SpecChange } from '../support/planner-world.ts';

const name = asServerName('fs');
const secret = 'operators-own-secret';
const asksForSecret: SpecChange = { mcp: { envFrom: ['AWS_SECRET_ACCESS_KEY'] } };
const takesTheHost: SpecChange = {
  mounts: [{ type: 'bind', source: '/', target: '/host', readOnly: false }],
  security: { user: '0:0', capAdd: ['SYS_ADMIN'] },
};

const declared = (change: SpecChange = {}): DeclaredServer =>
  planned('fs', { image: { kind: 'image', ref: testImage }, ...change });

const never = new AbortController().signal;
const options: Parameters<typeof applyWork>[2] = {
  lockTimeoutMs: 0,
  acceptNewPlan: () => true,
  stopSignal: never,
  abortSignal: never,
  atOnceSignal: never,
  sink: () => {},
  onLockWait: () => {},
};

/** The attacks of issue 11, 1 and 2, past the command line: on each engine that looms works with. */
describe.skipIf(withoutEngine())('what somebody else wrote on an engine', () => {
  let bench: EngineBench;
  let composition: Composition;
  let ports: Ports;
  let lookUps: string[] = [];
  let repo: string;

  const rules = { policies: [] };
  const files = (servers: readonly DeclaredServer[], undesired: 'remove' | 'warn') =>
    ({ kind: 'files', project: bench.project, servers, recipes: new Map(), undesired }) as const;
  const recorded = (kind: 'start' | 'restart') =>
    ({ kind: 'recorded', project: bench.project, servers: [name], wish: { kind }, directory: '/' }) as const;

  beforeAll(async () => {
    bench = await engineBench('forged');
    repo = `looms-test/${bench.project}-forged`;
    composition = await compose({
      host: undefined,
      context: undefined,
      program: {
        ...thisProgram(),
        environment: {
          ...process.env,
          HOME: homedir(),
          XDG_STATE_HOME: emptyFolder(),
          AWS_SECRET_ACCESS_KEY: secret,
        },
      },
      command: 'test',
      managedBy: 'looms/test',
      goesOn: false,
      trustRecord: false,
      specPaths: [],
      askForTrust: async () => false,
    });
    ports = {
      ...composition.ports,
      warn: () => {},
      secrets: (ref) => {
        lookUps.push(ref.name);
        return composition.ports.secrets(ref);
      },
    };
  });
  afterEach(async () => {
    lookUps = [];
    const filters = { label: [`looms.project=${bench.project}`] };
    for (const { Id: id } of await bench.docker.listContainers({ all: true, filters }))
      await bench.docker.getContainer(id).remove({ force: true, v: true });
  });
  afterAll(async () => {
    await composition?.close();
    await bench?.close();
  });

  const labelsOf = (spec: DesiredServer, more: Readonly<Record<string, string>>): Record<string, string> => ({
    ...bench.labels,
    'looms.role': 'server',
    'looms.server': name,
    'looms.generation': '1',
    'looms.spec': recordSpec(spec, testImage),
    'looms.spec-hash': specHash(spec, testImage),
    'looms.image': testImage,
    ...more,
  });

  /** A container made by hand with all that one of looms has but its signature. */
  async function forge(
    change: SpecChange,
    as: { readonly name?: string; readonly labels?: Record<string, string> } = {},
  ) {
    const labels = labelsOf(declared(change).spec, { 'looms.image-id': bench.facts.id, ...as.labels });
    return bench.docker.createContainer({
      Image: testImage,
      name: as.name ?? containerName(bench.project, name),
      Cmd: ['sleep', '600'],
      Labels: labels,
    });
  }

  /** All containers of the project, by id and state: what an attack must leave as it is. */
  const reality = async (): Promise<string[]> => {
    const filters = { label: [`looms.project=${bench.project}`] };
    return (await bench.docker.listContainers({ all: true, filters })).map(({ Id, State }) => `${Id} ${State}`).sort();
  };

  test('an image with forged labels gets no session and no secret, and no plan takes it away', async () => {
    const base = await bench.docker.createContainer({
      Image: testImage,
      Labels: labelsOf(declared(asksForSecret).spec, {}),
      Cmd: ['sleep', '600'],
    });
    await base.commit({ repo });
    await base.remove({ force: true });
    const stranger = await bench.docker.createContainer({
      Image: repo,
      name: containerName(bench.project, name),
      Cmd: ['sleep', '600'],
    });
    await stranger.start();
    try {
      await expect(openServer(ports, bench.project, name, {})).rejects.toMatchObject({ code: 'server-not-found' });
      await expect(checkHealth(ports, { project: bench.project, servers: [] }, never)).resolves.toMatchObject({
        servers: [],
      });
      for (const servers of [[declared()], []]) {
        const { plan } = await planWork(ports, files(servers, 'remove'), rules);
        expect(JSON.stringify(plan.steps)).not.toContain(stranger.id);
        expect(plan.warnings.map(({ code }) => code)).toContain('not-ours');
        expect(plan.changes.map(({ action }) => action)).toEqual(servers.map(() => 'blocked'));
      }
      expect((await stranger.inspect()).State.Running).toBe(true);
      expect(lookUps).toEqual([]);
    } finally {
      await stranger.remove({ force: true });
      await bench.docker.getImage(repo).remove({ force: true });
    }
  });

  test('a record that no file could be is neither started nor restarted', async () => {
    await forge(takesTheHost);
    const before = await reality();
    for (const kind of ['start', 'restart'] as const) {
      await expect(planWork(ports, recorded(kind), rules)).rejects.toMatchObject({
        code: 'spec-invalid',
        detail: [expect.stringContaining('the root of the host is never mounted')],
      });
    }
    expect(await reality()).toEqual(before);
  });

  test('a record that nobody here made has no secret looked up, by a session, a look, a plan, or its execution', async () => {
    const container = await forge(asksForSecret);
    await container.start();
    const before = await reality();
    const untrusted = {
      code: 'record-untrusted',
      detail: expect.arrayContaining([expect.stringMatching(/^made by +nobody says/)]),
    };
    await expect(openServer(ports, bench.project, name, {})).rejects.toMatchObject(untrusted);
    const { servers } = await checkHealth(ports, { project: bench.project, servers: [] }, never);
    expect(servers).toMatchObject([{ verdict: 'unknown', failure: { code: 'record-untrusted' } }]);
    const logs = { project: bench.project, servers: [name], streams: ['stderr'], follow: false } as const;
    for await (const line of (await openLogs(ports, logs, never)).lines) expect(line.text).not.toContain(secret);
    const prepared = await planWork(ports, recorded('restart'), rules);
    expect(prepared.plan.steps.map(({ op }) => op)).toContain('gate');
    await expect(applyWork(ports, prepared, options)).rejects.toMatchObject(untrusted);
    expect(await reality()).toEqual(before);
    expect(lookUps).toEqual([]);
  });

  test('a record whose signature does not hold, or that speaks of another server, is told from others', async () => {
    await forge(asksForSecret, { labels: { 'looms.signature': 'made up' } });
    const { servers } = await ports.orchestrator();
    const [one] = (await servers(bench.project)).servers;
    expect(one?.foreignRecord).toMatchObject({ maker: { kind: 'forged' } });
    await forge(asksForSecret, { name: `looms-${bench.project}-other`, labels: { 'looms.server': 'other' } });
    const other = (await servers(bench.project)).servers.find((view) => view.name === 'other');
    expect(other).toBeDefined();
    expect(other?.recorded).toBeUndefined();
  });

  test('a record of the past that breaks a rule says so in history, and is not gone back to', async () => {
    await forge({});
    await forge(takesTheHost, {
      name: recordName(bench.project, name, 9),
      labels: { 'looms.role': 'history', 'looms.generation': '9', 'looms.outcome': 'replaced' },
    });
    const before = await reality();
    const told = await getHistory(ports, { project: bench.project, name });
    expect(told.map(({ generation, unusable }) => [generation, unusable])).toEqual([
      [9, expect.stringContaining('the root of the host is never mounted')],
      [1, null],
    ]);
    const back = { kind: 'rollback', project: bench.project, server: name, to: 9 } as const;
    await expect(planWork(ports, back, rules)).rejects.toMatchObject({
      code: 'spec-invalid',
    });
    expect(await reality()).toEqual(before);
  });

  test('an engine has one id, however often it is asked: a saved plan is for it', async () => {
    const { describe: look } = await ports.orchestrator();
    const ids = [(await look()).id, (await look()).id];
    expect(ids).toEqual([(await bench.engine.describe()).id, (await bench.engine.describe()).id]);
    expect(ids[0]).not.toBe('');
  });

  test('a saved plan that was changed to mount the host is refused, with hash and basis to match', async () => {
    const servers = [declared({ mounts: [{ type: 'bind', source: '/opt', target: '/data', readOnly: true }] })];
    const prepared = await planWork(ports, files(servers, 'warn'), rules);
    const under = { policies: [] };
    const saved = savedPlanOf(prepared, { by: ports.managedBy, in: ports.workingDirectory, from: [], under });
    expect((await restorePlan(ports, readSavedPlan(JSON.stringify(saved), 'plan.json'), under)).plan.steps).not.toEqual(
      [],
    );

    const changed = JSON.parse(JSON.stringify(saved).replaceAll('"/opt"', '"/"'));
    for (const server of changed.servers) server.hash = specHash(server.spec, server.image.ref);
    changed.plan.basis = basisOf(changed.plan);
    const forged = readSavedPlan(JSON.stringify(changed), 'plan.json');
    await expect(restorePlan(ports, forged, under)).rejects.toMatchObject({
      code: 'plan-invalid',
      detail: [expect.stringContaining('the root of the host is never mounted')],
    });
    // And one whose steps alone say something else than is planned anew.
    const steps = JSON.parse(JSON.stringify(saved).replace('"memoryBytes":', '"memoryBytes":1'));
    steps.plan.basis = basisOf(steps.plan);
    await expect(restorePlan(ports, readSavedPlan(JSON.stringify(steps), 'plan.json'), under)).rejects.toMatchObject({
      code: 'plan-stale',
    });
    expect(await reality()).toEqual([]);
  });
});
