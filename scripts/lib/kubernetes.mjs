import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { installPackages } from './apt.mjs';
import { platform } from './platform.mjs';
import { root } from './root.mjs';
import { run, tryRun } from './run.mjs';
import { stateDir } from './state-dir.mjs';

const kit = join(root, 'scripts/kube');

/** Packages of Debian by what of them is used: what another one brings (Docker's own containerd.io) is not replaced. */
const packages = {
  '/usr/bin/containerd': 'containerd',
  '/usr/sbin/runc': 'runc',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  '/usr/sbin/ipset': 'ipset',
  '/usr/sbin/iptables': 'iptables',
  '/usr/sbin/conntrack': 'conntrack',
  '/usr/bin/nsenter': 'util-linux',
  '/usr/bin/curl': 'curl',
  '/usr/bin/openssl': 'openssl',
  '/usr/bin/gcc': 'gcc',
  '/usr/include/stdlib.h': 'libc6-dev',
};

/** Kubernetes, as the packages of Go that the program is made of are versioned; it tells this version of itself. */
const version = 'v1.36.1';

/**
 * The programs of a cluster for tests: all of Kubernetes and etcd in one, and what keeps the sandbox of a pod. They are
 * built once (12 minutes of CPU) and kept by a hash of what they are made of.
 *
 * @param {(note: string) => void} note
 * @returns {Promise<{ LOOMS_KUBE_BIN: string, LOOMS_KUBE_PAUSE: string, LOOMS_KUBE_CACHE: string, LOOMS_KUBE_ROOT: string, LOOMS_TEST_KUBECTL: string }>}
 *   the environment of scripts/kube/cluster.sh, and the `kubectl` of that cluster, as tests are told it
 * @throws on a machine where it cannot be: this takes Debian or Ubuntu, root, and Go
 */
export async function ensureKubernetes(note) {
  const machine = platform();
  if (machine.os !== 'debian' || !machine.root) {
    throw new Error(`This needs Debian or Ubuntu, and root. This machine: ${machine.name}.`);
  }
  if (process.arch !== 'x64' || existsSync('/sys/fs/cgroup/cgroup.controllers')) {
    throw new Error('The nodes of this cluster are made for amd64 and cgroup v1, which this machine is not.');
  }
  await installPackages([
    'iproute2',
    ...Object.entries(packages).flatMap(([file, name]) => (existsSync(file) ? [] : [name])),
  ]);
  const made = stateDir('kube', hashOf());
  const [program, pause] = ['kubernetes', 'pause'].map((name) => join(made, name));
  if (!existsSync(program)) {
    note(`building Kubernetes ${version}: 12 minutes of CPU, once`);
    await buildKubernetes(`${program}.unfinished`);
    renameSync(`${program}.unfinished`, program);
  }
  if (!existsSync(pause)) await run('gcc', ['-Os', '-static', '-s', '-o', pause, join(kit, 'pause.c')]);
  // The program does what it is called.
  const kubectl = join(made, 'kubectl');
  if (!existsSync(kubectl)) symlinkSync(program, kubectl);
  return {
    LOOMS_TEST_KUBECTL: kubectl,
    LOOMS_KUBE_BIN: program,
    LOOMS_KUBE_PAUSE: pause,
    LOOMS_KUBE_CACHE: stateDir('kube', 'nodes'),
    LOOMS_KUBE_ROOT: join(stateDir('kube'), 'run'),
  };
}

/** Of all that the programs are made of. */
function hashOf() {
  const hash = createHash('sha256').update(version);
  const files = ['pause.c', ...readdirSync(join(kit, 'program')).map((name) => `program/${name}`)].sort();
  for (const file of files) hash.update(file).update(readFileSync(join(kit, file)));
  return hash.digest('hex').slice(0, 16);
}

async function buildKubernetes(target) {
  const go = await findGo();
  const [major, minor] = version.slice(1).split('.');
  const facts = {
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitCommit: 'unknown',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
  };
  const settings = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((place) =>
    Object.entries(facts).map(([name, value]) => `-X ${place}.${name}=${value}`),
  );
  const args = ['build', '-trimpath', '-tags', 'netgo,osusergo', '-ldflags', ['-s', '-w', ...settings].join(' ')];
  await run(go, [...args, '-o', target, '.'], {
    cwd: join(kit, 'program'),
    env: { ...process.env, CGO_ENABLED: '0' },
  });
}

/** A Go that can fetch the one that go.mod asks for; Debian's own is older. */
async function findGo() {
  for (const go of ['go', '/usr/local/go/bin/go']) {
    const found = await tryRun(go, ['env', 'GOVERSION']).catch(() => undefined);
    const [, minor] = /^go1\.(\d+)/.exec(found?.stdout ?? '') ?? [];
    if (Number(minor) >= 21) return go;
  }
  throw new Error('Building Kubernetes takes Go 1.21 or newer, on the path or in /usr/local/go.');
}

/**
 * Runs scripts/kube/cluster.sh.
 *
 * @param {Awaited<ReturnType<typeof ensureKubernetes>>} places
 * @param {readonly string[]} args
 * @returns {Promise<void>} what it says is shown
 */
export async function runCluster(places, args) {
  await run('bash', [join(kit, 'cluster.sh'), ...args], { env: { ...process.env, ...places }, show: true });
}

/** Where the administrator of the cluster that is up is told, for programs of this machine. */
export const kubeconfigOf = ({ LOOMS_KUBE_ROOT: folder }) => join(folder, 'pki/host.kubeconfig');

/** The network namespace of the first node of a cluster that is up, as a file; as scripts/kube/cluster.sh names it. */
const nodeNetwork = '/run/netns/looms-kube';

/**
 * Runs something on a cluster of so many nodes that have these images, and takes it down again.
 *
 * @template T
 * @param {Awaited<ReturnType<typeof ensureKubernetes>>} places
 * @param {{ nodes: 1 | 2, images: readonly string[], host: string }} wanted `host`: the engine that has the images
 * @param {(env: Record<string, string>) => Promise<T>} work is told what tells programs of the cluster
 * @returns {Promise<T>}
 */
export async function withCluster(places, { nodes, images, host }, work) {
  await runCluster(places, ['up', String(nodes)]);
  try {
    await runCluster({ ...places, DOCKER_HOST: host }, ['load', ...images]);
    return await work({
      ...places,
      KUBECONFIG: kubeconfigOf(places),
      LOOMS_TEST_NODES: String(nodes),
      LOOMS_TEST_NODE_NETWORK: nodeNetwork,
    });
  } finally {
    await runCluster(places, ['down']);
  }
}

/**
 * The cluster that KUBECONFIG names, by its current context; undefined where that is not set. Nothing is known of its nodes.
 *
 * @param {(note: string) => void} note
 * @returns {Promise<Record<string, string> | undefined>} what tells programs of it
 * @throws where there is no kubectl, or the cluster does not answer
 */
export async function namedCluster(note) {
  if (!process.env.KUBECONFIG) return undefined;
  // Tests run in folders of their own.
  const KUBECONFIG = process.env.KUBECONFIG.split(delimiter)
    .map((file) => resolve(file))
    .join(delimiter);
  const kubectl = process.env.LOOMS_TEST_KUBECTL || 'kubectl';
  const context = (await run(kubectl, ['config', 'current-context'])).trim();
  const { gitVersion } = JSON.parse(await run(kubectl, ['get', '--raw', '/version']));
  note(`KUBECONFIG names a cluster: context ${context}, Kubernetes ${gitVersion}`);
  return { KUBECONFIG, LOOMS_TEST_KUBECTL: kubectl };
}
