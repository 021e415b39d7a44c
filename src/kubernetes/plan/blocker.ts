import type { DeclaredServer } from '../../model/desired.ts';
import { asContainerId, type ServerName } from '../../model/ids.ts';
import type { Blocker } from '../../model/plan.ts';
import { atField } from '../../model/source.ts';
import { label, volumeClaimName, workloadName } from '../model/names.ts';
import { claimsIn, isEnding, type KubeObject } from '../model/objects.ts';
import { claimKey, isOurs, type Observed, supportKey } from '../model/observed.ts';
import { unlikeOnKubernetes } from '../objects/unlike.ts';
import { onCluster } from '../objects/where.ts';
import type { DecideInput } from './decision.ts';
import { serverOf, takenNames } from './support.ts';

const takenBy = (what: KubeObject, name: string, hint: string): Blocker => ({
  kind: 'name-taken',
  name,
  id: asContainerId(what.metadata.uid ?? ''),
  image: '',
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
    return takenBy(space, `namespace ${namespace}`, hint);
  }
  const taken = foreign.find(({ metadata }) => metadata.name === workloadName(spec.name));
  if (taken !== undefined) {
    const { name, labels = {} } = taken.metadata;
    const labelled = `\`kubectl -n ${namespace} label deployment ${name} ${label.project}=${project} ${label.server}=${spec.name} --overwrite\``;
    const hint =
      labels[label.managedBy] === 'looms'
        ? `if looms made it, and somebody took its labels: ${labelled}; else remove or rename it`
        : 'remove or rename it, or rename the server';
    return takenBy(taken, `Deployment ${name}`, hint);
  }
  const other = takenNames(input).find(({ wanted }) =>
    [undefined, spec.name].includes(serverOf(wanted) as ServerName | undefined),
  );
  if (other !== undefined) return takenBy(other.live, supportKey(other.live), 'remove or rename it');
  const ending = endingOf(server, input.observed);
  if (ending !== undefined) return ending;
  const where = onCluster(input.registry, input.observed.engine);
  const refused = spec.enabled ? unlikeOnKubernetes(spec, where).find(({ kind }) => kind === 'refused') : undefined;
  return refused?.kind === 'refused'
    ? { kind: 'unsupported', detail: atField(server, refused.path, refused.message), hint: refused.hint }
    : undefined;
}

/**
 * What somebody deletes of a server: itself, and what is written to it then ends with it; or a claim that its pods mount or would
 * mount, which goes with all of its data once no pod has it.
 */
function endingOf({ spec }: DeclaredServer, { servers, support }: Observed): Blocker | undefined {
  const there = servers.find(({ server }) => server === spec.name)?.deployment;
  if (there !== undefined && isEnding(there)) {
    const hint = 'run the command again once it is gone: it makes the server anew then';
    return { kind: 'ending', name: `Deployment ${there.metadata.name}`, hint };
  }
  const declared = spec.enabled ? spec.mounts.filter(({ type }) => type === 'volume') : [];
  const mounted = [
    ...declared.map(({ source }) => volumeClaimName(source)),
    ...(there === undefined ? [] : claimsIn(there.spec.template.spec)),
  ];
  const claim = mounted.flatMap((name) => support.get(claimKey(name)) ?? []).find(isEnding);
  if (claim === undefined) return undefined;
  const hint = `its data goes with the last pod that has it: copy from there what is needed, then \`looms delete ${spec.name}\` lets it go`;
  return { kind: 'ending', name: supportKey(claim), hint };
}
