import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { isUp, servingOf, slotsOf } from '../../../../src/docker/model/generations.ts';
import { containerName, dataName, egressNetworkName } from '../../../../src/docker/model/labels.ts';
import type { Observed, ObservedContainer } from '../../../../src/docker/model/observed.ts';
import { isUsedBy } from '../../../../src/docker/model/way-out.ts';
import type { DockerPlan, DockerStep } from '../../../../src/docker/steps.ts';
import { isHttp } from '../../../../src/model/desired.ts';
import { asContainerId, asServerName } from '../../../../src/model/ids.ts';
import type { Change } from '../../../../src/model/plan.ts';
import { format } from '../../../support/format-plan.ts';
import { crowdedCase, orderOf, type PlannerCase, plannerCase } from '../../../support/planner-cases.ts';
import { type SimulatedEngine, simulate } from '../../../support/planner-simulation.ts';
import { plan, project } from '../../../support/planner-world.ts';
import { forAll } from '../../../support/properties.ts';

const runs = Number(process.env.LOOMS_PROPERTY_RUNS ?? 400);

/**
 * Holds `property` against hundreds of engines, among which `cases` must occur; of four, `crowded` have more lists of
 * hosts than there are places. A failure shows the plan in words.
 */
const on =
  (crowded: number) =>
  <C extends string>(cases: readonly C[], property: (one: PlannerCase, saw: (occurred: C) => void) => void): void => {
    const weighed = { weight: crowded, arbitrary: crowdedCase };
    forAll(fc.oneof({ weight: 4 - crowded, arbitrary: plannerCase }, weighed), property, { runs, cases });
  };
const onEngines = on(1);
const onCrowdedEngines = on(3);

const planFor = ({ desired, observed, options }: PlannerCase, now: Observed = observed): DockerPlan =>
  plan(desired, now, options);

/** The end of an undisturbed run of the plan for what is there now. */
const carriedOut = (one: PlannerCase, now: SimulatedEngine = one.observed): SimulatedEngine =>
  simulate(planFor(one, now), now, { pick: orderOf(one.run.order) }).end;

/** Whether no run left a generation behind: of one that is, nobody can tell whether it ever served. */
const isTidy = ({ containers }: Observed): boolean =>
  containers.every(
    ({ role, server, name }) => role !== 'server' || (server !== undefined && name === containerName(project, server)),
  );

/** A forwarder has one of three places (docs/architecture.md, "What it reaches"), and which one is nobody's business. */
const placeless = (text: string): string =>
  text
    .replace(/\.egress-\d+/g, '.egress')
    .replace(/(169\.254\.\d+)\.(\d+)/g, (_, subnet, host) => `${subnet}.${Number(host) % 32}`);

/** What two engines must have in common to be the same to a user: everything but ids, times, counts and places. */
const stateOf = ({ containers, networks, volumes }: Observed): unknown => ({
  containers: containers
    .map(({ name, role, server, state, specHash, imageRef, shape }) =>
      placeless(JSON.stringify({ name, role, server, status: state.status, specHash, imageRef, shape })),
    )
    .sort(),
  networks: networks.map(({ name }) => name).sort(),
  volumes: volumes.map(({ name }) => name).sort(),
});

/**
 * The past that can be gone back to. What was tried and failed differs from run to run, and so does how often one
 * revision was renewed.
 */
const pastOf = ({ containers, history }: Observed): string[] =>
  history
    .filter(({ outcome }) => outcome !== 'gate-failed')
    .map(({ server, specHash, imageId }) => `${server} ${specHash} ${imageId}`)
    .filter(
      (revision) =>
        !containers.some(({ server, specHash, shape }) => revision === `${server} ${specHash} ${shape.imageId}`),
    )
    .sort();

function expectSameEnd(one: PlannerCase, end: SimulatedEngine): void {
  const undisturbed = carriedOut(one);
  expect(stateOf(end)).toEqual(stateOf(undisturbed));
  if (isTidy(one.observed)) expect(pastOf(end)).toEqual(pastOf(undisturbed));
}

const isServing = ({ state }: ObservedContainer): boolean => state.status === 'running' && !state.paused;

const targetOf = (step: DockerStep): string | undefined =>
  'target' in step && 'id' in step.target ? step.target.id : undefined;

vi.setConfig({ testTimeout: 600_000 });

describe('any plan, on any engine', () => {
  it('leaves nothing to do once it was carried out', () => {
    onEngines(['something to do'], (one, saw) => {
      if (planFor(one).steps.length > 0) saw('something to do');
      const end = carriedOut(one);
      expect(
        // Who asks for a replacement once more gets one.
        format(plan(one.desired, end, { ...one.options, replace: new Set() }))
          .split('\n')
          .filter((line) => line.includes('/')),
      ).toEqual([]);
    });
  });

  it('comes to the same end when it was cut off anywhere and planned again', () => {
    onEngines(['cut off halfway'], (one, saw) => {
      const { order, limit = 3 } = one.run;
      const { end, states, wasCut } = simulate(planFor(one), one.observed, { limit, pick: orderOf(order) });
      if (wasCut && states.length > 1) saw('cut off halfway');
      expectSameEnd(one, carriedOut(one, end));
    });
  });

  it('comes to the same end when a step failed, or its answer was lost, and it was planned again', () => {
    onEngines(['before', 'after', 'gate'], (one, saw) => {
      const { order, breakAt = { step: 2, moment: 'after' }, failGate = [] } = one.run;
      const made = planFor(one);
      const { end, wentWrong } = simulate(made, one.observed, { breakAt, failGate, pick: orderOf(order) });
      if (wentWrong) saw(breakAt.moment);
      if (made.steps.some(({ op, server }) => op === 'gate' && failGate.some((name) => name === server))) saw('gate');
      expectSameEnd(one, carriedOut(one, end));
    });
  });

  it('touches nothing that is not of this project', () => {
    onEngines(['something of others, and a step on something that is there'], (one, saw) => {
      const ours = new Set<string>([...one.observed.containers, ...one.observed.history].map(({ id }) => id));
      const targets = planFor(one)
        .steps.map(targetOf)
        .filter((id) => id !== undefined);
      if (one.observed.foreign.length > 0 && targets.length > 0) {
        saw('something of others, and a step on something that is there');
      }
      expect(targets.filter((id) => !ours.has(id))).toEqual([]);
      expect(carriedOut(one).foreign).toEqual(one.observed.foreign);
    });
  });

  it('never leaves a server without a running generation while it is replaced start-first', () => {
    onEngines(['replaced while it serves', 'while something goes wrong'], (one, saw) => {
      const made = planFor(one);
      const { order, ...faults } = one.run;
      const { states, ...run } = simulate(made, one.observed, { ...faults, pick: orderOf(order) });
      for (const change of made.changes) {
        if (change.action !== 'replace' || change.order !== 'start-first') continue;
        const serving = (observed: Observed): boolean =>
          observed.containers.some((one) => one.role === 'server' && one.server === change.server && isServing(one));
        if (!serving(one.observed)) continue;
        saw('replaced while it serves');
        if (run.wasCut || run.wentWrong) saw('while something goes wrong');
        expect(states.filter((state) => !serving(state))).toEqual([]);
      }
    });
  });

  it('says why it changes what it changes, and nothing else has steps', () => {
    onEngines(['a change', 'no change'], (one, saw) => {
      const made = planFor(one);
      const changing = made.changes.filter(({ action }) => action !== 'unchanged' && action !== 'blocked');
      if (changing.length > 0) saw('a change');
      if (changing.length < made.changes.length) saw('no change');
      for (const change of changing) expect('reasons' in change && change.reasons.length).toBeGreaterThan(0);
      const kept = one.observed.containers.filter(
        ({ role, name }) => role === 'data' && made.support.some((change) => change.name === name),
      );
      const named = new Set<string | undefined>([...changing, ...kept].map(({ server }) => server));
      expect(made.steps.filter(({ server }) => server !== undefined && !named.has(server))).toEqual([]);
      const ids = made.steps.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });

  it('is the same for the same input in any order', () => {
    forAll(
      fc.tuple(plannerCase, fc.infiniteStream(fc.nat())),
      ([one, numbers], saw) => {
        const shuffled = <T>(list: readonly T[]): T[] =>
          list
            .map((value) => ({ value, at: numbers.next().value ?? 0 }))
            .sort((a, b) => a.at - b.at)
            .map(({ value }) => value);
        const { observed } = one;
        const again = plan(
          shuffled(one.desired),
          {
            ...observed,
            containers: shuffled(observed.containers),
            foreign: shuffled(observed.foreign),
            networks: shuffled(observed.networks),
            volumes: shuffled(observed.volumes),
          },
          one.options,
        );
        const made = planFor(one);
        if (made.steps.length > 1 && one.desired.length > 1 && observed.containers.length > 1) saw('much to shuffle');
        expect(JSON.stringify(again)).toBe(JSON.stringify(made));
      },
      { runs, cases: ['much to shuffle'] },
    );
  });
});

/** What is written at the paths of `lifecycle.preserve`, by all containers of a server and in what was kept of it. */
const writingOf = (engine: SimulatedEngine, server: string): Set<string> =>
  new Set(
    engine.containers
      .filter((container) => container.server === server && container.state.status !== 'dead')
      .flatMap(({ id }) => [...(engine.files.get(id)?.values() ?? [])]),
  );

type Written = { readonly server: string; readonly text: string };

/** What is in a container at paths of `lifecycle.preserve`, and what of it its server goes on to preserve. */
function writtenIn(engine: SimulatedEngine, { id, server = asServerName('none') }: ObservedContainer) {
  return [...(engine.files.get(id) ?? [])].map(([path, text]) => ({ path, server, text }));
}

/** What earlier deletions kept, but for what was given up, or is with a server whose spec does not preserve it any more. */
function keptBefore({ observed, desired, options }: PlannerCase): Written[] {
  const { undesired } = options;
  return observed.containers
    .filter(({ role, state }) => role === 'data' && state.status !== 'dead')
    .flatMap((data) => {
      const spec = desired.find((one) => one.spec.name === data.server)?.spec;
      const isNamed = typeof undesired === 'object' && undesired.remove.some((name) => name === data.server);
      const givenUp = spec === undefined && isNamed && undesired.data === 'give-up';
      const written = writtenIn(observed, data);
      const own = observed.containers.filter(({ role, server }) => role === 'server' && server === data.server);
      const has = (one: ObservedContainer, text: string): boolean =>
        one.state.status !== 'dead' && writtenIn(observed, one).some((file) => file.text === text);
      // Whoever got all of it back and is removed is removed with it.
      const restored = own.some(
        (one) => one.restoredFrom === data.id && written.every(({ text }) => has(one, text)) && spec === undefined,
      );
      return givenUp || restored
        ? []
        : written.filter(
            ({ path, text }) =>
              spec === undefined || spec.lifecycle.preserve.includes(path) || !own.some((one) => has(one, text)),
          );
    });
}

/** What a change of the plan must not lose of the server's own files. */
function ownFiles({ observed, desired, options }: PlannerCase, { server, action, ...change }: Change): Written[] {
  const { undesired } = options;
  const spec = desired.find((one) => one.spec.name === server)?.spec;
  const keeps = action === 'remove' && typeof undesired === 'object' && undesired.data === 'keep';
  const settled = containerName(project, server);
  return observed.containers
    .filter((one) => one.server === server && one.role === 'server' && one.state.status !== 'dead')
    .filter(({ id, name }) => (keeps ? name === settled : 'container' in change && change.container === id))
    .flatMap((one) => {
      const paths = keeps ? (one.recorded?.spec.lifecycle.preserve ?? []) : (spec?.lifecycle.preserve ?? []);
      return writtenIn(observed, one).filter(({ path }) => paths.includes(path));
    });
}

describe('files that lifecycle.preserve names', () => {
  it('are there after every step, wherever the run ends or breaks', () => {
    onEngines(['kept before', 'of a server that changes'], (one, saw) => {
      const made = planFor(one);
      const { order, ...faults } = one.run;
      const { states } = simulate(made, one.observed, { ...faults, pick: orderOf(order) });
      const kept = keptBefore(one);
      const own = made.changes.flatMap((change) => ownFiles(one, change));
      if (kept.length > 0 && states.length > 1) saw('kept before');
      if (own.length > 0 && states.length > 1) saw('of a server that changes');
      const written = [...kept, ...own];
      const lost = states.flatMap((state) =>
        written.filter(({ server, text }) => !writingOf(state, server).has(text)).map(({ text }) => text),
      );
      expect(lost).toEqual([]);
    });
  });

  it('hold what clients wrote between a run that was cut off and the next one', () => {
    onEngines(['written between two runs'], (one, saw) => {
      const { order, limit = 3 } = one.run;
      const { end: cut, wasCut } = simulate(planFor(one), one.observed, { limit, pick: orderOf(order) });
      const made = planFor(one, cut);
      const written = made.changes
        .filter(({ action }) => action !== 'blocked' && action !== 'stop' && action !== 'remove')
        .flatMap(({ server }) => {
          const generations = (slotsOf(cut.containers).get(server) ?? []).map((container) => ({
            ...container,
            running: isServing(container),
          }));
          const serving = servingOf(generations, project, server);
          const spec = one.desired.find((declared) => declared.spec.name === server)?.spec;
          const paths = serving?.recorded?.spec.lifecycle.preserve ?? [];
          return paths
            .filter((path) => spec?.lifecycle.preserve.includes(path))
            .map((path) => ({ id: serving?.id ?? asContainerId('none'), server, path }));
        });
      if (wasCut && written.length > 0) saw('written between two runs');
      const files = new Map(cut.files);
      for (const { id, path } of written) files.set(id, new Map([...(files.get(id) ?? []), [path, 'by clients']]));
      const end = carriedOut(one, { ...cut, files });
      const lost = written.filter(({ server, path }) => {
        const settled = end.containers.find(({ name }) => name === containerName(project, server));
        return end.files.get(settled?.id ?? asContainerId('none'))?.get(path) !== 'by clients';
      });
      expect(lost).toEqual([]);
    });
  });

  it('are with the server once all is done, or kept for the next one when it was removed', () => {
    onEngines(['with its server', 'kept'], (one, saw) => {
      const made = planFor(one);
      const end = carriedOut(one);
      for (const change of made.changes) {
        const { server, action } = change;
        if (action === 'blocked' || action === 'stop') continue;
        const own = ownFiles(one, change).map(({ text }) => text);
        if (own.length > 0) saw(action === 'remove' ? 'kept' : 'with its server');
        const name = action === 'remove' ? dataName(project, server) : containerName(project, server);
        const holder = end.containers.find((container) => container.name === name);
        const held = [...(end.files.get(holder?.id ?? asContainerId('none')) ?? new Map()).values()];
        expect(held).toEqual(expect.arrayContaining(own));
      }
    });
  });
});

describe('a start-first replacement', () => {
  it('removes the last generation that served only after a successor passed its gate and has the name', () => {
    onEngines(['removed', 'kept'], (one, saw) => {
      const made = planFor(one);
      const { order, ...faults } = one.run;
      const { states } = simulate(made, one.observed, { ...faults, pick: orderOf(order) });
      for (const change of made.changes) {
        if (change.action !== 'replace' || change.order !== 'start-first') continue;
        const old = one.observed.containers.find((container) => container.id === change.container);
        if (old === undefined || !isServing(old)) continue;
        const name = containerName(project, change.server);
        saw(states.at(-1)?.containers.some(({ id }) => id === old.id) ? 'kept' : 'removed');
        for (const state of states) {
          if (state.containers.some((container) => container.id === old.id && isServing(container))) continue;
          expect(state.containers.some((container) => container.name === name && isServing(container))).toBe(true);
        }
      }
    });
  });
});

/** Pairs of containers of one server that are up and write one place, of which at least one is a server that runs on its own. */
function writingTogether({ containers }: Observed): string[] {
  const up = containers.filter((one) => one.role === 'server' && isUp(one));
  const isServer = ({ recorded }: ObservedContainer): boolean => recorded === undefined || isHttp(recorded.spec);
  const written = ({ shape }: ObservedContainer): string[] =>
    shape.mounts.filter(({ readOnly }) => !readOnly).map(({ source }) => source);
  return up.flatMap((one, index) =>
    up
      .slice(index + 1)
      .filter((other) => other.server === one.server && [one, other].some(isServer))
      .filter((other) => written(one).some((source) => written(other).includes(source)))
      .map((other) => `${one.id} ${other.id}`),
  );
}

describe('a volume of a server that speaks HTTP', () => {
  it('is written by one generation at a time, wherever runs end or gates fail', () => {
    onEngines(['something left that writes'], (one, saw) => {
      const { order, breakAt, ...faults } = one.run;
      // What the engine fails to stop writes on; a step whose answer alone was lost was done.
      const broken = breakAt?.moment === 'after' ? { breakAt } : {};
      const { states } = simulate(planFor(one), one.observed, { ...faults, ...broken, pick: orderOf(order) });
      const left = one.observed.containers.filter(({ role, name }) => role === 'server' && name.includes('.g'));
      const writes = ({ shape }: ObservedContainer): boolean => shape.mounts.some(({ readOnly }) => !readOnly);
      if (states.length > 1 && left.some((container) => isUp(container) && writes(container))) {
        saw('something left that writes');
      }
      const began = writingTogether(one.observed);
      expect(states.flatMap(writingTogether).filter((pair) => !began.includes(pair))).toEqual([]);
    });
  });
});

/** Who answers a container's questions for names, and so says where it finds the hosts that it may reach. */
function ledBy({ id, server }: ObservedContainer, { containers, networks }: Observed): ObservedContainer[] {
  const network = networks.find(({ name }) => server !== undefined && name === egressNetworkName(project, server));
  const led = containers.find((one) => one.id === id);
  if (network === undefined || led === undefined) return [];
  return containers.filter((one) => one.role === 'forwarder' && isUsedBy(one, led, network));
}

describe('a server that lists hosts, and serves or runs', () => {
  it('finds its own ones where it was told, whatever list is tried beside it', () => {
    onCrowdedEngines(['a list more than there are places'], (one, saw) => {
      const made = planFor(one);
      const { order, ...faults } = one.run;
      const { states } = simulate(made, one.observed, { ...faults, pick: orderOf(order) });
      const own = one.observed.containers.filter(({ role }) => role === 'server');
      const places = new Set(own.flatMap((container) => ledBy(container, one.observed)));
      const isReplaced = made.support.some(({ kind, action }) => kind === 'forwarder' && action === 'replace');
      if (places.size > 2 && isReplaced) saw('a list more than there are places');
      const needing = own.filter(
        (container) =>
          isUp(container) || container.name === containerName(project, container.server ?? asServerName('none')),
      );
      for (const container of needing) {
        const [forwarder] = ledBy(container, one.observed);
        if (forwarder === undefined) continue;
        const lists = states.flatMap((state) => ledBy(container, state).map(({ egress }) => egress));
        expect(new Set(lists)).toEqual(new Set([forwarder.egress]));
      }
    });
  });
});
