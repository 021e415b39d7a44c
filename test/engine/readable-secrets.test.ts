import { homedir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyWork } from '../../src/app/apply/apply-plan.ts';
import { planWork } from '../../src/app/plan/plan-work.ts';
import { savedPlanOf } from '../../src/app/plan/saved-plan.ts';
import { compose } from '../../src/cli/compose/compose.ts';
import type { Composition } from '../../src/cli/compose/composition.ts';
import { thisProgram } from '../../src/cli/terminal/program.ts';
import type { DeclaredServer } from '../../src/model/desired.ts';
import { loadDocuments } from '../../src/spec/load.ts';
import { specHash } from '../../src/spec/record/record.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { emptyFolder } from '../support/looms.ts';
import { changed, httpSpec } from '../support/odd-servers.ts';
import { placesThatTell } from '../support/secret-search.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';

const password = 'quux-90211-of-the-database';
const environment = { V: password, HOST_OF_IT: 'db' };
const uri = 'postgres://u:${V}@${HOST_OF_IT}/db';

/** A variable in each place and form that makes it a secret (docs/spec.md), for both transports. */
const withSecrets = specs(
  changed(tinySpec({ name: 'stdio', env: { U1: uri, AUTHORIZATION: '${V}', DSN: 'Server=db;Password=${V};' } }), {
    backend: { environment: { U2: uri, U3: 'https://db/x?api_key=${V}', PGCONNECTIONSTRING: '${V}' } },
  }),
  httpSpec('http', {
    mcp: { env: { U1: uri, HEADER: 'Bearer ${V}' } },
    backend: { environment: { U2: uri, WEBHOOK_URL: '${V}' } },
  }),
);

function declared(text: string): DeclaredServer[] {
  const { servers } = loadDocuments([{ file: 'mcp.yaml', directory: '/specs', text }], { environment, strict: false });
  return servers.map(({ spec, source }) => {
    if (spec.image.kind !== 'image') throw new Error(`${spec.name} is built`);
    const { ref } = spec.image;
    return { spec, image: { kind: 'pulled', ref }, hash: specHash(spec, ref), source };
  });
}

const options: Parameters<typeof applyWork>[2] = {
  lockTimeoutMs: 0,
  acceptNewPlan: () => true,
  stopSignal: new AbortController().signal,
  abortSignal: new AbortController().signal,
  atOnceSignal: new AbortController().signal,
  sink: () => {},
  onLockWait: () => {},
};

/** Issue 11, 4, past the command line: on each engine that looms works with. */
describe.skipIf(withoutEngine())('a variable that counts as a secret by its place', () => {
  let bench: EngineBench;
  let composition: Composition;

  beforeAll(async () => {
    bench = await engineBench('readable');
    composition = await compose({
      host: undefined,
      context: undefined,
      program: {
        ...thisProgram(),
        environment: { ...process.env, HOME: homedir(), XDG_STATE_HOME: emptyFolder(), ...environment },
      },
      command: 'test',
      managedBy: 'looms/test',
      goesOn: false,
      trustRecord: false,
      specPaths: [],
      askForTrust: async () => false,
    });
  });
  afterAll(async () => {
    await composition?.close();
    await bench?.close();
  });

  const planned = (text: string) =>
    planWork(
      composition.ports,
      {
        kind: 'files',
        project: bench.project,
        servers: declared(text),
        recipes: new Map(),
        undesired: 'warn',
        keep: 0,
      },
      { policies: [] },
    );

  async function apply(text: string): Promise<void> {
    const { outcome } = await applyWork(composition.ports, await planned(text), options);
    expect(outcome).toBe('done');
  }

  const told = () => placesThatTell(bench.docker, bench.project, password);

  test('is replaced once where a record holds it as text, which the plan says and does not show', async () => {
    await apply(withSecrets.replaceAll('${V}', '${plain:V}'));
    expect(await told()).not.toEqual([]);

    const prepared = await planned(withSecrets);
    const reasons = prepared.plan.changes.flatMap((change) => ('reasons' in change ? change.reasons : []));
    const fields = reasons.flatMap((reason) => (reason.kind === 'spec-changed' ? reason.fields : []));
    expect(fields).toContainEqual({
      path: 'mcp_server.env.U1',
      from: '(readable in the record)',
      to: '(secret)',
    });
    expect(JSON.stringify(prepared.plan)).not.toContain(password);
    await apply(withSecrets);
    expect((await planned(withSecrets)).plan.changes.map(({ action }) => action)).toEqual(['unchanged', 'unchanged']);
  }, 120_000);

  test('is in no label, no inspection, no log and no image, and in no saved plan', async () => {
    expect(await told()).toEqual([]);
    const saved = savedPlanOf(await planned(withSecrets), {
      by: 'looms/test',
      in: '/specs',
      from: [],
      under: { policies: [] },
    });
    expect(JSON.stringify(saved)).toContain('"U1"');
    expect(JSON.stringify(saved)).not.toContain(password);
  });
});
