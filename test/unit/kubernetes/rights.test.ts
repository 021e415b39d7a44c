import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { clusterRights, type NeededRight, probeRights, projectRights } from '../../../src/kubernetes/model/rights.ts';

const folder = fileURLToPath(new URL('../../../deploy/kubernetes/', import.meta.url));
const read = (path: string): string => readFileSync(join(folder, path), 'utf8');

type Rule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
};

const written = (file: string): readonly Rule[] => parse(read(file)).rules;
const needed = (rights: readonly NeededRight[]): readonly Rule[] =>
  rights.map(({ resource, verbs, names }) => {
    const [kind = '', ...group] = resource.split('.');
    return {
      apiGroups: [group.join('.')],
      resources: [kind],
      ...(names === undefined ? {} : { resourceNames: names }),
      verbs: Object.keys(verbs),
    };
  });

it('are those of the roles of the recipe: `npm run rights` writes these', () => {
  expect(written('role.yaml')).toEqual(needed(projectRights));
  expect(written('cluster-role.yaml')).toEqual(needed(clusterRights));
  expect(written('probe-role.yaml')).toEqual(needed(probeRights));
});

it('have a reason each, which the roles show', () => {
  for (const [file, rights] of [
    ['role.yaml', projectRights],
    ['cluster-role.yaml', clusterRights],
    ['probe-role.yaml', probeRights],
  ] as const) {
    for (const { verbs } of rights) {
      for (const [verb, why] of Object.entries(verbs)) expect(read(file)).toContain(`# ${verb}: ${why}\n`);
    }
  }
});

it('let nobody change a Secret, and grant no more rights', () => {
  const secrets = projectRights
    .filter(({ resource }) => resource === 'secrets')
    .flatMap(({ verbs }) => Object.keys(verbs));
  expect(secrets).toEqual(['list', 'create', 'delete']);
  const all = [...projectRights, ...clusterRights];
  expect(all.map(({ resource }) => resource).filter((one) => /rbac|serviceaccounts|\*/.test(one))).toEqual([]);
  expect(
    all.flatMap(({ verbs }) => Object.keys(verbs)).filter((one) => /\*|escalate|bind|impersonate/.test(one)),
  ).toEqual([]);
});

it('are bound in the namespace of the project alone, to an account that only the pod of looms has', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const objects = files.flatMap((name) => parseAllDocuments(read(name)).map((one) => one.toJS()));
  const of = (kind: string) => objects.filter((one) => one.kind === kind);
  expect(of('ClusterRoleBinding')).toEqual([]);
  expect(of('RoleBinding').map(({ metadata }) => metadata.namespace)).toEqual(['looms-demo']);
  expect(of('ServiceAccount')).toMatchObject([{ automountServiceAccountToken: false }]);
  const [{ spec }] = of('Deployment').map(({ spec: { template } }) => template);
  expect(spec).toMatchObject({ serviceAccountName: 'looms', securityContext: { runAsNonRoot: true } });
  expect(spec.containers[0].securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
});
