import { hasForwarder } from '../../model/container/egress.ts';
import { relayImageOf } from '../../model/container/relay-image.ts';
import { type DeclaredServer, isHttp } from '../../model/desired.ts';
import type { ServerName } from '../../model/ids.ts';
import { withWarnings } from '../../model/plan/plan-basis.ts';
import type { PlanWarning } from '../../model/plan.ts';
import type { UntrustedRecord } from '../../model/records.ts';
import type { Intent, Prepared, PruneIntent } from '../../orchestrator/port.ts';
import { recordSpec } from '../../spec/record/record.ts';
import { label } from '../model/labels.ts';
import type { Observed } from '../model/observed.ts';
import type { DockerPorts } from '../ports.ts';
import { defaultKeep } from '../reconcile/generations/generations.ts';
import { makePlan, type PlanInput } from '../reconcile/plan.ts';
import type { DockerPlan } from '../steps.ts';

/** A plan of this orchestrator, and what it was decided from. */
export type DockerPrepared = Omit<Prepared, 'plan'> & { readonly plan: DockerPlan; readonly observed: Observed };

/** Image of a server's forwarder: it needs HAProxy and perl. `LOOMS_EGRESS_IMAGE` overrides it. */
const defaultForwarderImage = 'haproxy:3.0';

/** The image of the forwarders that a run makes. */
const forwarderImageOf = ({ environment }: Pick<DockerPorts, 'environment'>): string =>
  environment.LOOMS_EGRESS_IMAGE || defaultForwarderImage;

/** The images of what stands behind these servers. */
export const supportImagesOf = (ports: DockerPorts, servers: readonly DeclaredServer[]): readonly string[] => [
  ...(servers.some(({ spec }) => isHttp(spec)) ? [relayImageOf(ports.environment)] : []),
  ...(servers.some(({ spec }) => hasForwarder(spec)) ? [forwarderImageOf(ports)] : []),
];

/** What of a project is there, without any image. */
export const lookAt = ({ engine }: DockerPorts, project: Observed['project']): Promise<Observed> =>
  engine.observe({ project, images: [], checkRegistry: [] });

/** What a decision is made by: what is asked for, and what is not said is as usual. */
type Asked = Pick<PlanInput, 'desired' | 'undesired'> &
  Partial<Omit<PlanInput, 'project' | 'observed' | 'relayImage' | 'forwarderImage' | 'managedBy' | 'recordSpec'>>;

/** Servers of which a plan makes a container, each with the generation that it makes. */
const generationsMade = ({ steps }: DockerPlan): ReadonlyMap<ServerName, number> =>
  new Map(
    steps.flatMap((step) =>
      step.op === 'create-container' && step.container.role === 'server' && step.server !== undefined
        ? [[step.server, Number(step.container.ownLabels[label.generation])] as const]
        : [],
    ),
  );

const generationsOf = (
  { changes }: DockerPlan,
  { containers }: Observed,
  made: ReadonlyMap<ServerName, number>,
): Prepared['generations'] => {
  const generations = new Map(containers.map(({ id, generation }) => [id, generation]));
  return new Map(
    changes.flatMap(({ server, action, container }) => {
      if (action === 'unchanged') return [];
      const from = (container === undefined ? undefined : generations.get(container)) ?? null;
      return [[server, { from, to: action === 'remove' ? null : (made.get(server) ?? from) }] as const];
    }),
  );
};

/** A plan as it is handed over, for what it was made from. */
export const preparedOf = (
  intent: Intent,
  observed: Observed,
  plan: DockerPlan,
  { servers = [], untrusted = [] }: Partial<Pick<Prepared, 'servers' | 'untrusted'>> = {},
): DockerPrepared => {
  const made = generationsMade(plan);
  return {
    intent,
    observed,
    plan,
    servers,
    untrusted,
    records: observed.containers.flatMap(({ id: container, role, state, recorded, foreignRecord }) =>
      role === 'server'
        ? [
            {
              container,
              runs: state.status === 'running' || state.status === 'restarting',
              ...(recorded === undefined ? {} : { recorded }),
              ...(foreignRecord === undefined ? {} : { foreignRecord }),
            },
          ]
        : [],
    ),
    generations: generationsOf(plan, observed, made),
    gated: new Set(plan.steps.flatMap(({ op, server }) => (op === 'gate' && server !== undefined ? [server] : []))),
    made: new Set(made.keys()),
  };
};

/** Decides what is asked for on what was observed. */
export function prepare(
  ports: DockerPorts,
  intent: Exclude<Intent, PruneIntent>,
  observed: Observed,
  asked: Asked,
  more: { readonly warnings?: readonly PlanWarning[]; readonly untrusted?: readonly UntrustedRecord[] } = {},
): DockerPrepared {
  const plan = makePlan({
    project: observed.project,
    observed,
    executions: new Map(),
    replace: new Set(),
    keepFailed: false,
    keep: intent.keep ?? defaultKeep,
    relayImage: relayImageOf(ports.environment),
    forwarderImage: forwarderImageOf(ports),
    managedBy: ports.managedBy,
    recordSpec: (server) => recordSpec(server.spec, server.image.ref),
    ...asked,
  });
  const { warnings = [], untrusted = [] } = more;
  const told = withWarnings(plan, [...plan.warnings, ...warnings]);
  return preparedOf(intent, observed, told, { servers: asked.desired, untrusted });
}
