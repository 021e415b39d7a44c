import fc from 'fast-check';
import { containerName, dataName, generationName, networkName, relayName } from '../../src/docker/model/labels.ts';
import type {
  ForeignContainer,
  Observed,
  ObservedContainer,
  ObservedNetwork,
} from '../../src/docker/model/observed.ts';
import type { PlanInput } from '../../src/docker/reconcile/plan.ts';
import type { RemovalRule } from '../../src/docker/reconcile/removal.ts';
import { type Mode, modes } from '../../src/docker/reconcile/support/support-plan.ts';
import type { DeclaredServer, DesiredServer, EgressTarget, Mount } from '../../src/model/desired.ts';
import { asContainerId, asNetworkId, asServerName, type ServerName } from '../../src/model/ids.ts';
import { isNonEmpty } from '../../src/model/plan.ts';
import { format } from './format-plan.ts';
import { newEngine, type SimulatedEngine, type SimulationOptions, simulate } from './planner-simulation.ts';
import { httpServer, image, plan, project, server } from './planner-world.ts';

const names = ['a', 'b', 'c'] as const;
const serverNames = fc.subarray(names.map(asServerName));
const callsThatWearOut = 10;

const volume = (source: string, readOnly: boolean): Mount => ({ type: 'volume', source, target: '/data', readOnly });
const mountChoices: readonly (readonly Mount[])[] = [
  [],
  [volume('own', false)],
  [volume('shared', false)],
  [volume('shared', true)],
];

const reached = (host: string): EgressTarget => ({ host, port: 5432, tls: false });
const egressChoices: readonly (readonly EgressTarget[])[] = [
  [],
  [],
  [reached('db')],
  [reached('db'), reached('other')],
  [{ ...reached('10.1.2.3'), address: '10.1.2.3' }, reached('db')],
  [
    { ...reached('10.1.2.4'), address: '10.1.2.4' },
    { ...reached('10.9.2.4'), address: '10.9.2.4' },
  ],
];

const preserveChoices: readonly (readonly string[])[] = [[], ['/state'], ['/state', '/more'], ['/more']];

/** In what specs differ for the planner. */
const anySpec = {
  http: fc.boolean(),
  enabled: fc.constantFrom(true, true, true, false),
  ref: fc.constantFrom('example:1', 'example:2', 'absent:1'),
  memoryMiB: fc.constantFrom(256, 512),
  mode: fc.constantFrom<DesiredServer['network']['mode'][]>('isolated', 'bridge', 'none'),
  egress: fc.constantFrom(...egressChoices),
  mounts: fc.constantFrom(...mountChoices),
  preserve: fc.constantFrom(...preserveChoices),
  drainSeconds: fc.constantFrom(0, 30),
  autoCleanup: fc.constantFrom(true, true, false),
  rotationIntervalHours: fc.constantFrom(undefined, 24),
  maxExecutions: fc.constantFrom(undefined, callsThatWearOut),
};

/** A spec for `name`, in every way in which specs differ for the planner, or in fewer. */
const declared = (name: string, narrowed: Partial<typeof anySpec> = {}): fc.Arbitrary<DeclaredServer> =>
  fc
    .record({ ...anySpec, ...narrowed })
    .map(
      ({ http, enabled, ref, memoryMiB, mode, egress, rotationIntervalHours, maxExecutions, mounts, ...lifecycle }) =>
        (http ? httpServer : server)(name, {
          enabled,
          image: { kind: 'image', ref },
          limits: { memoryMiB },
          // The spec's rules refuse HTTP without a network.
          network: { mode: http && mode === 'none' ? 'isolated' : mode, egress: mode === 'isolated' ? egress : [] },
          mounts: mounts.map((mount) => (mount.source === 'own' ? { ...mount, source: `own-${name}` } : mount)),
          lifecycle: {
            ...lifecycle,
            ...(rotationIntervalHours === undefined ? {} : { rotationIntervalHours }),
            ...(maxExecutions === undefined ? {} : { maxExecutions }),
          },
        }),
    );

/** Some of the servers, in any order. */
const files: fc.Arbitrary<readonly DeclaredServer[]> = fc
  .tuple(...names.map((name) => fc.option(declared(name), { nil: undefined })))
  .chain((chosen) => {
    const servers = chosen.filter((one) => one !== undefined);
    return fc.shuffledSubarray(servers, { minLength: servers.length });
  });

/** Numbers that stand for choices among what is there when they are used. */
const choices = fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 });

/** How a run goes: which step is next wherever there is a choice, and where it ends early or breaks. */
export type RunCase = Omit<SimulationOptions, 'pick'> & { readonly order: readonly number[] };

const disturbed: fc.Arbitrary<RunCase> = fc.record(
  {
    order: choices,
    limit: fc.nat(14),
    failGate: fc.subarray([...names]),
    breakAt: fc.record({ step: fc.nat(14), moment: fc.constantFrom('before', 'after') }),
  },
  { requiredKeys: ['order'] },
);
const runCase: fc.Arbitrary<RunCase> = fc.oneof(
  { weight: 3, arbitrary: disturbed },
  { weight: 1, arbitrary: fc.record({ order: choices }) },
);

/** The order of a case as the simulator asks for it. */
export function orderOf(order: readonly number[]): (count: number) => number {
  let at = 0;
  return (count) => (order[at++ % order.length] ?? 0) % count;
}

/** What someone does past looms to one container. */
type Deed = { readonly what: (typeof deeds)[number]; readonly which: number };
const deeds = [
  'stop',
  'fail',
  'restart',
  'pause',
  'die',
  'remove',
  'rename',
  'take-name',
  'limit',
  'disconnect',
  'unlabel',
] as const;

/** Names that looms gives to containers. */
const givenNames: readonly string[] = [
  ...names
    .map(asServerName)
    .flatMap((server) => [
      containerName(project, server),
      containerName(project, server),
      generationName(project, server, 1),
      generationName(project, server, 2),
      dataName(project, server),
    ]),
  relayName(project, 'isolated'),
  relayName(project, 'bridge'),
];

function outside({ what, which }: Deed, observed: SimulatedEngine): SimulatedEngine {
  const chosen = observed.containers[which % Math.max(1, observed.containers.length)];
  if (chosen === undefined) return observed;
  const to = (change: Partial<ObservedContainer>): SimulatedEngine => ({
    ...observed,
    containers: observed.containers.map((one) => (one === chosen ? { ...one, ...change } : one)),
  });
  const isFree = (name: string): boolean =>
    ![...observed.containers, ...observed.foreign].some((one) => one.name === name);
  const exited = (exitCode: number) =>
    ({ status: 'exited', exitCode, finishedAt: observed.now, oomKilled: false }) as const;
  switch (what) {
    case 'stop':
      return to({ state: exited(143) });
    case 'fail':
      return to({ state: exited(1) });
    case 'restart':
      return to({ state: { status: 'restarting', exitCode: 1 } });
    case 'pause':
      return to({ state: { status: 'running', startedAt: observed.now, paused: true } });
    case 'die':
      return to({ state: { status: 'dead' } });
    case 'remove':
      return { ...observed, containers: observed.containers.filter((one) => one !== chosen) };
    case 'rename':
      return isFree(`mine-${which}`) ? to({ name: `mine-${which}` }) : observed;
    case 'take-name': {
      const name = givenNames[which % givenNames.length] ?? '';
      const holder = observed.containers.find((one) => one.name === name);
      if (holder === undefined) return isFree(name) ? to({ name }) : observed;
      const swapped = (one: ObservedContainer): string =>
        one === chosen ? holder.name : one === holder ? chosen.name : one.name;
      return { ...observed, containers: observed.containers.map((one) => ({ ...one, name: swapped(one) })) };
    }
    case 'limit':
      return to({ shape: { ...chosen.shape, memoryBytes: 2 ** 27, memorySwapBytes: 2 ** 27 } });
    case 'disconnect':
      return to({ shape: { ...chosen.shape, networks: [] } });
    case 'unlabel': {
      const { recorded: _, ...rest } = chosen;
      const containers = observed.containers.map((one) => (one === chosen ? rest : one));
      return { ...observed, containers };
    }
  }
}

/** Containers of others, also under names that we want. */
const foreign: fc.Arbitrary<readonly ForeignContainer[]> = fc
  .uniqueArray(fc.constantFrom(...givenNames), { maxLength: 2 })
  .map((taken) => taken.map((name) => ({ id: asContainerId(`f-${name}`), name, image: 'nginx', owner: 'nobody' })));

/** A network under a name of ours that somebody else made. */
const networkOfOthers = (mode: Mode): ObservedNetwork => ({
  id: asNetworkId(`their-${mode}`),
  name: networkName(project, mode),
  driver: 'bridge',
  internal: false,
  options: {},
  ours: false,
  members: [],
});

/** What somebody asks of a run, beside the files. */
type Request = {
  readonly undesired: RemovalRule;
  readonly keepFailed: boolean;
  readonly keep: number;
  readonly replace: readonly ServerName[];
  /** `mcp stop`. */
  readonly stop: readonly ServerName[];
  /** Servers that have been called as often as their specs allow. */
  readonly worn: readonly ServerName[];
};

/** Servers by name, and mostly none. */
const someServers = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: serverNames });

const request: fc.Arbitrary<Request> = fc.record({
  undesired: fc.oneof<fc.Arbitrary<RemovalRule>[]>(
    fc.constantFrom('remove', 'warn', 'ignore'),
    fc.record({ remove: serverNames, data: fc.constantFrom('keep', 'keep', 'give-up', 'leave') }),
  ),
  keepFailed: fc.constantFrom(false, false, true),
  keep: fc.constantFrom(3, 3, 1, 0),
  replace: someServers,
  stop: someServers,
  worn: someServers,
});

type Asked = { readonly desired: readonly DeclaredServer[]; readonly options: Partial<PlanInput> };

/** Nobody deletes by name what the same request declares. */
function withoutDeclared(undesired: RemovalRule, files: readonly DeclaredServer[]): RemovalRule {
  if (typeof undesired !== 'object') return undesired;
  return { ...undesired, remove: undesired.remove.filter((name) => !files.some(({ spec }) => spec.name === name)) };
}

/** What the planner is asked for a request, with the files and the engine of that moment. */
function ask(files: readonly DeclaredServer[], request: Request, { containers }: Observed): Asked {
  const { replace, stop, worn, undesired, ...options } = request;
  const isStopped = ({ spec }: DeclaredServer): boolean => stop.includes(spec.name);
  const called = containers.filter(({ server }) => server !== undefined && worn.includes(server));
  return {
    desired: files.map((one) => (isStopped(one) ? { ...one, spec: { ...one.spec, enabled: false } } : one)),
    options: {
      ...options,
      undesired: withoutDeclared(undesired, files),
      replace: new Set(replace),
      stop: new Set(stop),
      executions: new Map(called.map(({ id }) => [id, callsThatWearOut] as const)),
    },
  };
}

/** One thing that happened before: a run of looms, something by hand, time. */
type Past =
  | {
      readonly kind: 'run';
      readonly files: readonly DeclaredServer[];
      readonly request: Request;
      readonly run: RunCase;
    }
  | { readonly kind: 'deed'; readonly deed: Deed }
  | { readonly kind: 'time'; readonly hours: number };

const past: fc.Arbitrary<Past> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('run'), files, request, run: runCase }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('deed'),
      deed: fc.record({ what: fc.constantFrom(...deeds, 'take-name', 'take-name'), which: fc.nat(1000) }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time'), hours: fc.constantFrom(1, 25) }) },
);

function afterPast(observed: SimulatedEngine, event: Past): SimulatedEngine {
  switch (event.kind) {
    case 'run': {
      const { order, ...faults } = event.run;
      const { desired, options } = ask(event.files, event.request, observed);
      return simulate(plan(desired, observed, options), observed, { ...faults, pick: orderOf(order) }).end;
    }
    case 'deed':
      return outside(event.deed, observed);
    case 'time':
      return { ...observed, now: observed.now + event.hours * 3_600_000 };
  }
}

const plainRequest: Request = { undesired: 'ignore', keepFailed: false, keep: 3, replace: [], stop: [], worn: [] };

/** Servers that preserve files were made and deleted again, with their files kept; the deletion may have been cut off. */
const keptLife: fc.Arbitrary<readonly Past[]> = fc
  .record({ files, order: choices, run: runCase })
  .map(({ files: made, order, run }) => [
    { kind: 'run', files: made, request: plainRequest, run: { order } },
    {
      kind: 'run',
      files: [],
      request: { ...plainRequest, undesired: { remove: names.map(asServerName), data: 'keep' } },
      run,
    },
  ]);

const life: fc.Arbitrary<readonly Past[]> = fc.oneof(
  { weight: 3, arbitrary: fc.array(past, { maxLength: 5 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.array(past, { maxLength: 1 }), keptLife, fc.array(past, { maxLength: 2 }))
      .map(([before, kept, after]) => [...before, ...kept, ...after]),
  },
);

/** An engine with a history, what shall run on it, and how the run goes. */
export type PlannerCase = {
  readonly observed: SimulatedEngine;
  readonly desired: readonly DeclaredServer[];
  readonly options: Partial<PlanInput>;
  readonly run: RunCase;
};

/**
 * What is asked last, and what was just before it. Left to chance, a server that serves is hardly ever replaced or
 * deleted, of which most properties speak: `renewed` declares anew what serves, `deleted` takes it away with its files
 * kept.
 */
const endings = ['any', 'any', 'any', 'renewed', 'renewed', 'renewed', 'deleted'] as const;
/** The same server with a spec that no choice above gives. */
const otherwise = ({ spec }: DeclaredServer): DeclaredServer =>
  server(spec.name, { ...spec, limits: { memoryMiB: 384 } });

type Asking = { readonly files: readonly DeclaredServer[]; readonly request: Request };

function withEnding(ending: (typeof endings)[number], asking: Asking): Asking & { readonly before: readonly Past[] } {
  const applied = (files: readonly DeclaredServer[]): Past => ({
    kind: 'run',
    files,
    request: plainRequest,
    run: { order: [0] },
  });
  switch (ending) {
    case 'any':
      return { ...asking, before: [] };
    case 'renewed':
      return { ...asking, before: [applied(asking.files.map(otherwise))] };
    case 'deleted': {
      const undesired = { remove: names.map(asServerName), data: 'keep' } as const;
      return { files: [], request: { ...asking.request, undesired }, before: [applied(asking.files)] };
    }
  }
}

/** Engines as they come to be: runs that ended anywhere, changes by hand, names that others hold. */
export const plannerCase: fc.Arbitrary<PlannerCase> = fc
  .record({
    foreign: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: foreign }),
    history: life,
    theirNetwork: fc.constantFrom(undefined, undefined, undefined, ...modes),
    retagged: fc.constantFrom(false, false, true),
    asking: fc.record({ files, request }),
    ending: fc.constantFrom(...endings),
    run: runCase,
  })
  .map(({ foreign: others, history, theirNetwork, retagged, asking, ending, run }) => {
    const networks = theirNetwork === undefined ? [] : [networkOfOthers(theirNetwork)];
    const { files: declared, request: asked, before } = withEnding(ending, asking);
    const end = [...history, ...before].reduce(afterPast, newEngine({ foreign: others, networks }));
    const images = retagged ? { ...end.images, 'example:1': image('example:1', 'sha256:retagged') } : end.images;
    const observed = { ...end, images };
    const one: PlannerCase = { observed, run, ...ask(declared, asked, observed) };
    return { ...one, [fc.toStringMethod]: () => describeCase(one) };
  });

/** Lists of hosts as one server has them from run to run, often one more of them than a server's network has room for. */
const listsInTurn: fc.Arbitrary<readonly (readonly EgressTarget[])[]> = fc.oneof(
  fc.shuffledSubarray(egressChoices.filter(isNonEmpty), { minLength: 4 }),
  fc.array(fc.constantFrom(...egressChoices.filter(isNonEmpty)), { minLength: 3, maxLength: 5 }),
);

/** A server that runs, and in each run has another transport or other mounts. */
const altered = (egress: readonly EgressTarget[]): fc.Arbitrary<DeclaredServer> =>
  declared('a', {
    enabled: fc.constant(true),
    ref: fc.constant('example:1'),
    mode: fc.constant('isolated'),
    egress: fc.constant(egress),
    mounts: fc.constantFrom([], [volume('own', false)], [volume('own', false)]),
    preserve: fc.constantFrom([], [], [], ['/state']),
  });

/** Runs that end before their generation has its server's name. */
const unfinished: fc.Arbitrary<RunCase> = fc.oneof(
  fc.record({ order: choices, failGate: fc.constant(['a']) }),
  fc.record({ order: choices, limit: fc.integer({ min: 3, max: 10 }) }),
);

/** One server that serves or did, with what several runs left beside it that were killed or failed. Chance seldom makes one. */
export const crowdedCase: fc.Arbitrary<PlannerCase> = listsInTurn
  .chain((lists) => {
    const attempt = fc.record({ keepFailed: fc.boolean(), run: unfinished });
    const attempts = fc.array(attempt, { minLength: lists.length - 2, maxLength: lists.length - 2 });
    return fc.record({ versions: fc.tuple(...lists.map(altered)), attempts, run: runCase });
  })
  .map(({ versions, attempts, run }) => {
    const ran = (file: DeclaredServer | undefined, change: Partial<Request>, run: RunCase): Past => ({
      kind: 'run',
      files: file === undefined ? [] : [file],
      request: { ...plainRequest, ...change },
      run,
    });
    const [first, ...tried] = versions.slice(0, -1);
    const pasts = attempts.map(({ keepFailed, run }, index) => ran(tried[index], { keepFailed }, run));
    const observed = [ran(first, {}, { order: [0] }), ...pasts].reduce(afterPast, newEngine());
    const one: PlannerCase = { observed, run, ...ask(versions.slice(-1), plainRequest, observed) };
    return { ...one, [fc.toStringMethod]: () => describeCase(one) };
  });

/** What a failure shows: a whole case as JSON fills screens. */
function describeCase({ observed, desired, options, run }: PlannerCase): string {
  const there = [...observed.containers, ...observed.foreign].map((one) =>
    'role' in one
      ? `${one.id.slice(0, 6)} ${one.name} ${one.role} ${one.server ?? ''} g${one.generation} ${one.state.status} ${one.specHash.slice(0, 9)}`
      : `${one.name} (foreign)`,
  );
  const wanted = desired.map(({ spec, image: { ref }, hash }) => `${spec.name} ${ref} ${hash.slice(0, 9)}`);
  const made = format(plan(desired, observed, options));
  const plain = (_key: string, value: unknown): unknown =>
    value instanceof Set || value instanceof Map ? [...value] : value;
  return ['', ...there, `wanted: ${wanted.join(', ')}`, JSON.stringify(options, plain), JSON.stringify(run), made].join(
    '\n  ',
  );
}
