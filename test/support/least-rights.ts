import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { NeededRight } from '../../src/kubernetes/model/rights.ts';
import { type ApiRecorder, recordApi } from './api-recorder.ts';
import { kubectl, kubectlSays } from './kubectl.ts';
import { emptyFolder } from './looms.ts';

const access = 'rbac.authorization.k8s.io/v1';

type Rule = { readonly apiGroups: string[]; readonly resources: string[]; readonly verbs: string[] };
const written = (file: string): { readonly rules: readonly Rule[] } =>
  parse(readFileSync(new URL(`../../deploy/kubernetes/${file}`, import.meta.url), 'utf8'));

/** A user of the cluster who may do in a project's namespace what `role.yaml` says, and nothing else anywhere. */
export type LeastRights = {
  /** The kubeconfig of that user. */
  readonly kubeconfig: string;
  /** What that user has asked for. */
  readonly recorded: ApiRecorder['recorded'];
  readonly clean: () => Promise<void>;
};

/** A right as a line: `deployments.apps: update`. */
export const linesOf = (rights: readonly NeededRight[]): readonly string[] =>
  rights.flatMap(({ resource, verbs }) => Object.keys(verbs).map((verb) => `${resource}: ${verb}`)).sort();

/** `without`: lines of rights that are left out. `everywhere`: files of roles that hold on the whole cluster, in its place. */
export async function leastRights(
  project: string,
  { without = [], everywhere }: { readonly without?: readonly string[]; readonly everywhere?: readonly string[] } = {},
): Promise<LeastRights> {
  const [namespace, home, role] = [`looms-${project}`, `of-looms-${project}`, `looms-project-${project}`];
  const rules = (everywhere ?? ['role.yaml']).flatMap((file) => written(file).rules);
  const left = rules.map((rule) => {
    const resource = [rule.resources[0], rule.apiGroups[0]].filter(Boolean).join('.');
    return { ...rule, verbs: rule.verbs.filter((verb) => !without.includes(`${resource}: ${verb}`)) };
  });
  const labels = {
    'app.kubernetes.io/managed-by': 'looms',
    'looms.dev/project': project,
    'pod-security.kubernetes.io/enforce': 'restricted',
  };
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: home } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'looms', namespace: home } },
    {
      apiVersion: access,
      kind: 'ClusterRole',
      metadata: { name: role },
      rules: left.filter(({ verbs }) => verbs.length > 0),
    },
    {
      apiVersion: access,
      ...(everywhere === undefined
        ? { kind: 'RoleBinding', metadata: { name: 'looms', namespace } }
        : { kind: 'ClusterRoleBinding', metadata: { name: role } }),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: 'looms', namespace: home }],
    },
  ];
  await kubectlSays(['apply', '-f', '-'], objects.map((one) => stringify(one)).join('---\n'));
  const token = (await kubectlSays(['-n', home, 'create', 'token', 'looms', '--duration=4h'])).trim();
  const admin = parse(await kubectlSays(['config', 'view', '--raw', '--minify']));
  const { server, 'certificate-authority-data': ca } = admin.clusters[0].cluster;
  const recorder = await recordApi(server, Buffer.from(ca, 'base64').toString());
  const kubeconfig = join(emptyFolder(), 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'least',
    contexts: [{ name: 'least', context: { cluster: 'recorded', user: 'looms' } }],
    clusters: [{ name: 'recorded', cluster: { server: recorder.url } }],
    users: [{ name: 'looms', user: { token } }],
  };
  writeFileSync(kubeconfig, stringify(config), { mode: 0o600 });
  return {
    kubeconfig,
    recorded: recorder.recorded,
    async clean() {
      await recorder.close();
      for (const name of [home, namespace]) await kubectl(['delete', 'namespace', name, '--wait=false']);
      await kubectl(['delete', 'clusterrole,clusterrolebinding', role, '--ignore-not-found']);
    },
  };
}
