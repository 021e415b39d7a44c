import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kubectlProgram } from './kubectl.ts';

const runFile = promisify(execFile);
const script = fileURLToPath(new URL('../../scripts/kube/cluster.sh', import.meta.url));

/** The nodes of a cluster that was made for tests (npm run test:kube), past its API. */
export type Nodes = {
  readonly count: number;
  /** The program that is all of Kubernetes; its `fwd` carries connections from here to the network of the first node. */
  readonly program: string;
  /** The network of the first node, as `nsenter --net` takes it. */
  readonly network: string;
  /** Ends the kubelet of a node as if the node had died; `back` begins it again. */
  readonly lose: (node: string) => Promise<void>;
  readonly back: (node: string) => Promise<void>;
  /** The containers that run on a node in pods of a namespace, whatever the API knows of them. */
  readonly containers: (node: string, namespace: string) => Promise<readonly string[]>;
};

/** They are called node1 and node2. */
const numberOf = (node: string): string => node.replace(/^node/, '');

function nodesOf({
  LOOMS_KUBE_BIN: program,
  LOOMS_TEST_NODE_NETWORK: network,
  LOOMS_TEST_NODES: count,
}: NodeJS.ProcessEnv) {
  if (program === undefined || network === undefined) return undefined;
  const run = async (...args: readonly string[]): Promise<string> => (await runFile('bash', [script, ...args])).stdout;
  const nodes: Nodes = {
    count: Number(count),
    program,
    network,
    lose: async (node) => void (await run('lose', numberOf(node))),
    back: async (node) => void (await run('back', numberOf(node))),
    containers: async (node, namespace) =>
      (await run('containers', numberOf(node), namespace)).split('\n').filter((line) => line !== ''),
  };
  return nodes;
}

/** undefined: there is no cluster for tests, or it is somebody's, who gave a kubeconfig and no more. */
export const nodes = nodesOf(process.env);

/** Whether tests are left out that need more of a cluster than its API; says why. */
export function withoutNodes(why: string, least = 1): boolean {
  const isHere = kubectlProgram !== '' && (nodes?.count ?? 0) >= least;
  if (!isHere) console.log(`skipped: ${kubectlProgram === '' ? 'there is no cluster (npm run test:kube)' : why}`);
  return !isHere;
}
