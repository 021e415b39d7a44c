import type { DeclaredServer } from '../../model/desired.ts';
import { asContainerId, type ServerName } from '../../model/ids.ts';
import type { Blocker } from '../../model/plan.ts';
import { atField } from '../../model/source.ts';
import { label, workloadName } from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import { isOurs, supportKey } from '../model/observed.ts';
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
  const where = onCluster(input.registry, input.observed.engine);
  const refused = spec.enabled ? unlikeOnKubernetes(spec, where).find(({ kind }) => kind === 'refused') : undefined;
  return refused?.kind === 'refused'
    ? { kind: 'unsupported', detail: atField(server, refused.path, refused.message), hint: refused.hint }
    : undefined;
}
