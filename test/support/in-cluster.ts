import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, stringify } from 'yaml';
import { kubectl, kubectlSays } from './kubectl.ts';
import { emptyFolder } from './looms.ts';

const recipe = fileURLToPath(new URL('../../deploy/kubernetes/', import.meta.url));

type Named = { readonly kind: string; metadata: { name: string; namespace?: string } };

/** `deploy/kubernetes` of a test's own: names that others have too are replaced, and the servers that it keeps. */
export type InCluster = {
  /** The namespace of looms itself. */
  readonly home: string;
  /** The namespace of the project. */
  readonly namespace: string;
  readonly secret: (name: string) => string;
  /** Applies it, with these specs in the ConfigMap. */
  readonly apply: (specs: string) => Promise<void>;
  /** Has it follow the repository /team/servers.git at this origin instead, with a token, and look every few seconds. */
  readonly follow: (origin: string, token: string) => void;
  readonly clean: () => Promise<void>;
};

/** `image`: that of looms, which the nodes have. */
export function inCluster(project: string, image: string): InCluster {
  const folder = join(emptyFolder(), 'kubernetes');
  cpSync(recipe, folder, { recursive: true, filter: (path) => !path.endsWith('/secrets') });
  execFileSync('sh', [join(folder, 'make-secrets.sh')]);
  const [home, namespace, role] = [`of-looms-${project}`, `looms-${project}`, `looms-project-${project}`];
  const rename = (object: Named & { roleRef?: { name: string }; subjects?: { namespace: string }[] }): Named => {
    const { metadata } = object;
    if (object.kind === 'ClusterRole') metadata.name = role;
    if (object.kind === 'Namespace' && metadata.name === 'looms') metadata.name = home;
    if (metadata.namespace === 'looms') metadata.namespace = home;
    if (object.roleRef !== undefined) object.roleRef.name = role;
    for (const subject of object.subjects ?? []) subject.namespace = home;
    return object;
  };
  return {
    home,
    namespace,
    secret: (name) => readFileSync(join(folder, 'secrets', name), 'utf8'),
    follow(origin, token) {
      const edit = (file: string, from: string, to: string): void => {
        const text = readFileSync(join(folder, file), 'utf8');
        if (!text.includes(from)) throw new Error(`${file} of the recipe has no ${from}`);
        writeFileSync(join(folder, file), text.replace(from, to));
      };
      edit('kustomization.yaml', '# components: [git]', 'components: [git]');
      edit('git/looms.yaml', 'https://git.example.com', origin);
      edit('git/looms.yaml', '--path, specs]', '--path, specs, --interval, 3s]');
      edit('git/gitconfig', 'https://git.example.com', origin);
      mkdirSync(join(folder, 'git/secrets'), { recursive: true });
      writeFileSync(join(folder, 'git/secrets/token'), token);
    },
    async apply(specs) {
      writeFileSync(join(folder, 'config/specs/time.yaml'), specs);
      const kustomization = join(folder, 'kustomization.yaml');
      const [, newName = '', newTag = ''] = /^(.*):([^/:]*)$/.exec(image) ?? [];
      const text = readFileSync(kustomization, 'utf8').replace(
        /\{ name: looms, newTag: \w+ \}/,
        JSON.stringify({ name: 'looms', newName, newTag }),
      );
      writeFileSync(kustomization, text);
      const rendered = (await kubectlSays(['kustomize', folder])).replaceAll(/\bdemo\b/g, project);
      const objects = parseAllDocuments(rendered).map((one) => stringify(rename(one.toJS() as Named)));
      await kubectlSays(['apply', '-f', '-'], objects.join('---\n'));
    },
    async clean() {
      for (const at of [home, namespace]) await kubectl(['delete', 'namespace', at, '--wait=false']);
      await kubectl(['delete', 'clusterrole', role]);
    },
  };
}
