import { expect, test } from 'vitest';
import { changedSecrets } from '../../../src/app/plan/changed-secrets.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Observed, ObservedContainer } from '../../../src/docker/model/observed.ts';
import type { Env } from '../../../src/model/desired.ts';
import type { MadeServer } from '../../../src/orchestrator/port.ts';
import { format } from '../../support/format-plan.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, httpServer, plan, project, server } from '../../support/planner-world.ts';

const env: Env = {
  A: { kind: 'secret', parts: [{ from: 'provider', name: 'a' }] },
  B: { kind: 'secret', parts: ['b-', { from: 'provider', name: 'b' }] },
};
const web = httpServer('web', { mcp: { env } });
const printsOf = (values: Readonly<Record<string, string>>) => ({ key: 'ours', values });

/** An engine on which `of` runs, made with these values. */
const runningWith = (
  values: Readonly<Record<string, string>>,
  of = web,
  change: Partial<ObservedContainer> = {},
): Observed => {
  const { end } = simulate(plan([of], emptyEngine()), emptyEngine());
  const given = (one: ObservedContainer) =>
    one.role === 'server' ? { ...one, secretPrints: printsOf(values), ...change } : one;
  return { ...end, containers: end.containers.map(given) };
};

/** A machine that has these secrets; a print is the value itself. */
function machine(known: Readonly<Record<string, string>>, key: string | undefined = 'ours') {
  const asked: string[] = [];
  const ports: Pick<Ports, 'secrets' | 'secretPrints'> = {
    secrets: async ({ name }) => {
      asked.push(name);
      if (name === 'broken') throw new Error('the vault is sealed');
      const value = known[name];
      return value === undefined ? { found: false, tried: [] } : { found: true, value, provider: 'test' };
    },
    secretPrints: { keyName: async () => key, print: async (_, values) => printsOf(values) },
  };
  return { ports, asked };
}

/** What is handed over of an engine's containers: those that may have been given secrets. */
const madeIn = ({ containers }: Observed): readonly MadeServer[] =>
  containers.flatMap(({ role, server: of, ...one }) =>
    role === 'server' && of !== undefined ? [{ ...one, server: of }] : [],
  );

const look = async (known: Readonly<Record<string, string>>, observed: Observed, of = web, key?: string) => {
  const { ports, asked } = machine(known, key);
  const { changed, warnings } = await changedSecrets(ports, project, [of], madeIn(observed));
  return {
    changed: [...changed.values()],
    warnings: warnings.map(({ code, message }) => `${code}: ${message}`),
    asked,
    by: changed,
  };
};

test('a value that is another now is found by its variable, and the server is replaced for it', async () => {
  const observed = runningWith({ A: '1', B: 'b-2' });
  const found = await look({ a: '1', b: '3' }, observed);
  expect(found).toMatchObject({ changed: [['B']], warnings: [], asked: ['a', 'b'] });
  const made = plan([web], observed, { changedSecrets: found.by });
  expect(format(made).split('\n')[0]).toBe('web: replace start-first (secret-changed)');
  expect(JSON.stringify(made)).not.toContain('b-3');
});

test('equal values are no reason', async () => {
  expect(await look({ a: '1', b: '2' }, runningWith({ A: '1', B: 'b-2' }))).toMatchObject({
    changed: [],
    warnings: [],
  });
});

test('a secret that is missing, and a source that is down, are told; the others are compared all the same', async () => {
  expect(await look({ a: '2' }, runningWith({ A: '1', B: 'b-2' }))).toMatchObject({
    changed: [['A']],
    warnings: ['secrets-not-compared: whether its secrets changed cannot be told: ${secret:b} is not set here'],
  });
  const broken = httpServer('web', {
    mcp: { env: { A: { kind: 'secret', parts: [{ from: 'provider', name: 'broken' }] } } },
  });
  expect(await look({}, runningWith({ A: '1' }, broken), broken)).toMatchObject({
    changed: [],
    warnings: ['secrets-not-compared: whether its secrets changed cannot be told: the vault is sealed'],
  });
});

test('nothing is looked up for prints of another key, for a record of somebody else, without prints, or for stdio', async () => {
  const other = await look({ a: '2', b: '2' }, runningWith({ A: '1' }), web, 'another');
  expect(other).toMatchObject({
    changed: [],
    asked: [],
    warnings: [expect.stringMatching(/^secrets-of-another-key: /)],
  });
  const foreignRecord = { digest: 'd', imageId: 'sha256:0123456789abcdef', maker: { kind: 'forged' } } as const;
  const forged = await look({ a: '2' }, runningWith({ A: '1' }, web, { foreignRecord }));
  expect(forged).toMatchObject({
    changed: [],
    asked: [],
    warnings: [expect.stringMatching(/^secrets-of-another-key: /)],
  });
  const { end } = simulate(plan([web], emptyEngine()), emptyEngine());
  const withoutPrints = await look({ a: '2' }, end);
  expect(withoutPrints).toMatchObject({
    changed: [],
    asked: [],
    warnings: [expect.stringContaining('made by an earlier looms')],
  });
  const stdio = server('web', { mcp: { env } });
  expect(await look({ a: '2' }, runningWith({ A: '1' }, stdio), stdio)).toMatchObject({
    changed: [],
    asked: [],
    warnings: [],
  });
});

test('a stdio server whose pod was given secrets is compared as one over HTTP', async () => {
  const stdio = server('web', { mcp: { env } });
  const made = madeIn(runningWith({ A: '1', B: 'b-2' }, stdio)).map((one) => ({ ...one, givenSecrets: true }));
  const { ports } = machine({ a: '1', b: '3' });
  const { changed, warnings } = await changedSecrets(ports, project, [stdio], made);
  expect([[...changed.values()], warnings]).toEqual([[['B']], []]);
});

test('a print of a variable that the spec does not have is nobody’s, whatever it is called', async () => {
  const forged = JSON.parse('{ "__proto__": "x", "constructor": "x", "PATH": "x", "A": "1", "B": "b-2" }');
  expect(await look({ a: '1', b: '2' }, runningWith(forged))).toMatchObject({ changed: [], warnings: [] });
});
