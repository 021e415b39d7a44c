import { join } from 'node:path';
import { inCluster } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { ClusterAccess, ClusterSearch } from './access.ts';
import type { ExecCluster } from './exec-credential.ts';
import { bearer, identityOf, pemOf } from './identity.ts';
import { type Entry, type Kubeconfig, readKubeconfig, switchOf, textOf } from './kubeconfig.ts';
import { readIfThere, readNamed } from './read-file.ts';

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api */
const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** How the pod that this program runs in reaches its cluster; null outside of one. */
async function accessFromPod(search: ClusterSearch): Promise<ClusterAccess | null> {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = search.environment;
  const folder = search.serviceAccountFolder ?? serviceAccountFolder;
  const tokenFile = join(folder, 'token');
  if (host === '' || port === '' || (await readIfThere(tokenFile)) === undefined) return null;
  const ca = () => readNamed(join(folder, 'ca.crt'), 'the service account');
  await ca();
  return {
    context: inCluster,
    endpoint: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    trust: { ca, verify: true },
    // The kubelet writes another one before it is over, and an authority that is replaced.
    identity: async () => ({
      headers: bearer((await readNamed(tokenFile, 'the service account')).trim(), 'the service account'),
    }),
  };
}

function urlIn(entry: Entry, key: string): URL | undefined {
  const text = textOf(entry, key);
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    const code = url?.protocol.startsWith('socks') === true ? 'engine-unsupported' : 'usage';
    throw new LoomsError(code, `${entry.title} has a ${key} that is no URL of HTTP or HTTPS`);
  }
  return url;
}

/** The entry that a context names; without a name there is none to ask for. */
function named(entries: Kubeconfig['users'], context: Entry, kind: 'cluster' | 'user'): Entry | undefined {
  const name = textOf(context, kind);
  if (name === undefined) return undefined;
  const found = entries.get(name);
  if (found === undefined)
    throw new LoomsError('usage', `${context.title} names ${kind} "${name}", which is not there`);
  return found;
}

async function accessOf(
  name: string,
  config: Kubeconfig,
  context: Entry,
  search: ClusterSearch,
): Promise<ClusterAccess> {
  const cluster = named(config.clusters, context, 'cluster');
  const server = cluster === undefined ? undefined : urlIn(cluster, 'server');
  if (cluster === undefined || server === undefined) {
    throw new LoomsError('usage', `${context.title} names no cluster with a server`);
  }
  const user = named(config.users, context, 'user');
  const readCa = () => pemOf(cluster, 'certificate-authority');
  const first = await readCa();
  const ca = first === undefined ? undefined : async () => (await readCa()) ?? first;
  const servername = textOf(cluster, 'tls-server-name');
  const isInsecure = switchOf(cluster, 'insecure-skip-tls-verify');
  const proxy = urlIn(cluster, 'proxy-url');
  return {
    context: name,
    endpoint: `${server.origin}${server.pathname.replace(/\/+$/, '')}`,
    trust: { verify: !isInsecure, ...defined({ ca, servername }) },
    ...defined({ proxy }),
    identity:
      user === undefined
        ? async () => ({ headers: {} })
        : identityOf(user, search.environment, async () => toldOf(cluster, await readCa())),
  };
}

/** What a kubeconfig has for credential plugins alone, in a cluster's `extensions`. */
function pluginSettings({ fields: { extensions } }: Entry): unknown {
  if (!Array.isArray(extensions)) return undefined;
  const found: unknown = extensions.find((one) => isRecord(one) && one.name === 'client.authentication.k8s.io/exec');
  return isRecord(found) ? found.extension : undefined;
}

/** What a credential plugin is told of a cluster. */
function toldOf(cluster: Entry, ca: string | undefined): ExecCluster {
  return defined({
    server: textOf(cluster, 'server'),
    'tls-server-name': textOf(cluster, 'tls-server-name'),
    'insecure-skip-tls-verify': switchOf(cluster, 'insecure-skip-tls-verify') || undefined,
    'certificate-authority-data': ca === undefined ? undefined : Buffer.from(ca).toString('base64'),
    'proxy-url': textOf(cluster, 'proxy-url'),
    config: pluginSettings(cluster),
  });
}

/** The names of the contexts that there are, in the order of the files. Throws what `findCluster` does of the files. */
export async function contextsOf(search: ClusterSearch): Promise<readonly string[]> {
  const [config, pod] = await Promise.all([readKubeconfig(search), accessFromPod(search)]);
  return [...(config?.contexts.keys() ?? []), ...(pod === null ? [] : [inCluster])];
}

/**
 * The cluster of a context, without one the kubeconfig's current one, else that of the pod that this program runs in.
 * null: there is no kubeconfig with a context, and this is no pod. Nothing is connected to. Throws `context-not-found`
 * for a context that is not there, or where none is current; `usage` for a kubeconfig that is none, `file-not-found`
 * for a file that cannot be read, `engine-unsupported` for a way to log in that looms does not know.
 */
export async function findCluster(
  input: ClusterSearch & { readonly context?: string | undefined },
): Promise<ClusterAccess | null> {
  const config = await readKubeconfig(input);
  const name = input.context ?? config?.currentContext;
  const context = name === undefined ? undefined : config?.contexts.get(name);
  if (name !== undefined && config !== null && context !== undefined) return accessOf(name, config, context, input);
  const pod = await accessFromPod(input);
  const names = [...(config?.contexts.keys() ?? [])];
  if (pod !== null && (input.context === undefined ? names.length === 0 : name === inCluster)) return pod;
  if (input.context === undefined && names.length === 0) return null;
  const hint = names.length === 0 ? 'there is no kubeconfig with a context' : `there is ${names.join(', ')}`;
  throw name === undefined
    ? new LoomsError('context-not-found', 'no context of the kubeconfig is the current one', { hint })
    : new LoomsError('context-not-found', `there is no context "${name}" in the kubeconfig`, { hint });
}
