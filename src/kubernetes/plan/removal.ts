import type { ServerName, StepId } from '../../model/ids.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { isSecretName, label, workloadName } from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import { idOfGeneration, type Observed, shownOf, type Workload } from '../model/observed.ts';
import { type Decided, type DecideInput, endSeconds, stepOf } from './decision.ts';
import type { StepDraft } from './steps.ts';

/** Whether a server that is not declared goes. */
export const goesAway = (
  name: ServerName,
  { undesired, movedAway = [] }: Pick<DecideInput, 'undesired' | 'movedAway'>,
): boolean =>
  movedAway.includes(name) ||
  (typeof undesired === 'object' ? undesired.remove.includes(name) : undesired === 'remove');

/** The servers that are not declared: those that go, and those of which somebody is to be told that they stay. */
export function undesiredOf(input: DecideInput) {
  const wanted = new Set<string>(input.desired.map(({ spec }) => spec.name));
  const others = input.observed.servers.filter(({ server }) => !wanted.has(server));
  const removed = others.filter(({ server }) => goesAway(server, input));
  const left = input.undesired === 'warn' ? others.filter((one) => !removed.includes(one)) : [];
  return { removed, left: left.map(({ server }) => server) };
}

/** How a server goes, with its Secrets once its pods are gone. */
export function removalOf(workload: Workload, { observed }: DecideInput): Decided {
  const { server, deployment, claim } = workload;
  const container = idOfGeneration(shownOf(workload), deployment);
  const name = workloadName(server);
  const remove = stepOf(server, 'delete-server', [], {
    op: 'delete-object',
    kind: 'Deployment',
    name,
    uid: deployment.metadata.uid ?? '',
  });
  const seconds = (claim.recorded?.spec.lifecycle.drainSeconds ?? 0) + endSeconds;
  const wait = stepOf(server, 'await-gone', [remove.id], { op: 'await-gone', name, seconds });
  return {
    change: { server, container, action: 'remove', reasons: [{ kind: 'not-in-spec' }] },
    steps: [remove, wait, ...secretsOf(server, observed).map((secret) => secretRemoval(server, secret, wait.id))],
    drift: [],
  };
}

const secretsOf = (server: ServerName, { secrets }: Observed): readonly KubeObject[] =>
  secrets.filter(({ metadata }) => metadata.labels?.[label.server] === server && isSecretName(server, metadata.name));

const secretRemoval = (server: ServerName, { metadata }: KubeObject, after: StepId): StepDraft =>
  stepOf(server, `delete-secret:${metadata.name}`, [after], {
    op: 'delete-object',
    kind: 'Secret',
    name: metadata.name,
    uid: metadata.uid ?? '',
  });

/** That servers stay which are in none of the files. */
export const leftWarning = (left: readonly ServerName[]): readonly PlanWarning[] =>
  left.length === 0
    ? []
    : [
        {
          code: 'not-in-spec',
          message: `${left.join(', ')}: on the cluster, but in none of the files; --prune removes what is not in the files`,
        },
      ];
