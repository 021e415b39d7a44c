import type { DeclaredServer } from '../../model/desired.ts';
import { asContainerId, type ServerName } from '../../model/ids.ts';
import type { Blocker } from '../../model/plan.ts';
import { atField } from '../../model/source.ts';
import { label, workloadName } from '../model/names.ts';
import { isEnding, type KubeObject } from '../model/objects.ts';
import { isOurs, type Observed, supportKey } from '../model/observed.ts';
import { unlikeOnKubernetes } from '../objects/unlike.ts';
import { onCluster } from '../objects/where.ts';
import type { DecideInput } from './decision.ts';
import { serverOf, takenNames } from './support.ts';

const takenBy = (what: KubeObject, name: string, image: string, hint: string): Blocker => ({
  kind: 'name-taken',
  name,
  id: asContainerId(what.metadata.uid ?? ''),
  image,
  owner: what.metadata.labels?.[label.managedBy] ?? 'unknown',
  hint,
});

/** What blockers are found by: `support` is what would stand behind all servers, were none blocked. */
type BlockerInput = Pick<DecideInput, 'observed' | 'support' | 'registry'>;

/** What keeps servers from being made, by their names. */
export const blockersOf = (servers: readonly DeclaredServer[], input: BlockerInput): ReadonlyMap<ServerName, Blocker> =>
  new Map(
    servers.flatMap((server) => {
      const blocker = blockerOf(server, input);
      return blocker === undefined ? [] : [[server.spec.name, blocker] as const];
    }),
  );

function blockerOf(server: DeclaredServer, input: BlockerInput): Blocker | undefined {
  const { spec } = server;
  const { space, foreign, project, namespace } = input.observed;
  if (space != null && !isOurs(space, project)) {
    const hint = `label it looms.dev/project=${project} if looms may have it, or use another --project`;
    return takenBy(space, `namespace ${namespace}`, '', hint);
  }
  const taken = foreign.find(({ metadata }) => metadata.name === workloadName(spec.name));
  if (taken !== undefined) {
    const image = taken.spec.template.spec.containers[0]?.image ?? '';
    return takenBy(taken, `Deployment ${taken.metadata.name}`, image, 'remove or rename it, or rename the server');
  }
  const other = takenNames(input).find((one) =>
    [undefined, spec.name].includes(serverOf(one) as ServerName | undefined),
  );
  if (other !== undefined) return takenBy(other, supportKey(other), '', 'remove or rename it');
  const ending = endingOf(server, input.observed);
  if (ending !== undefined) return ending;
  const where = onCluster(input.registry, input.observed.engine);
  const refused = spec.enabled ? unlikeOnKubernetes(spec, where).find(({ kind }) => kind === 'refused') : undefined;
  return refused?.kind === 'refused'
    ? { kind: 'unsupported', detail: atField(server, refused.path, refused.message), hint: refused.hint }
    : undefined;
}

/** What somebody deletes of a server that is there; what is written to it now ends with it, or lets it go at once. */
function endingOf({ spec }: DeclaredServer, { servers }: Observed): Blocker | undefined {
  const there = servers.find(({ server }) => server === spec.name)?.deployment;
  return there !== undefined && isEnding(there)
    ? {
        kind: 'ending',
        name: `Deployment ${there.metadata.name}`,
        hint: 'run the command again once it is gone: it makes the server anew then',
      }
    : undefined;
}
