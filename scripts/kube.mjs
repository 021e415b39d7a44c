import { ensureKubernetes, kubeconfigOf, runCluster } from './lib/kubernetes.mjs';

const usage = `usage: npm run kube -- up [0|1|2] | down | lose NODE | back NODE | load IMAGE… | kubectl ARGS…
A real Kubernetes on this machine, for tests: with so many nodes, or the API alone.`;

/** Brings a cluster up and takes it down again; it is built before, once. */
async function main([command, ...args]) {
  if (!['up', 'down', 'lose', 'back', 'load', 'kubectl'].includes(command)) {
    console.error(usage);
    return 64;
  }
  const places = await ensureKubernetes(console.log);
  await runCluster(places, [command, ...args]);
  if (command === 'up') console.log(`KUBECONFIG=${kubeconfigOf(places)}`);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
