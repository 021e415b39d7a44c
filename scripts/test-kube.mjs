import { ensureBaseImages } from './lib/base-images.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';
import { onInterrupt } from './lib/interrupts.mjs';
import { ensureKubernetes, kubeconfigOf, nodeNetwork, runCluster } from './lib/kubernetes.mjs';
import { narrator } from './lib/narrator.mjs';
import { ensurePackages, projectEnvironment } from './lib/packages.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';
import { runVitest } from './lib/run-vitest.mjs';

/** What the tests run in pods. */
const images = ['node:24-slim', 'debian:bookworm-slim'];

/** looms itself, as deploy/Dockerfile makes it of this checkout; without Git, for which there need be no registry. */
const ownImage = 'looms:test-kube';

const { title, step, note } = narrator();
const interrupt = onInterrupt();

/** Brings a cluster of one node up, runs the tests that need one on it, and takes it down again. */
async function main() {
  title('looms: what it writes for Kubernetes, on a real one');
  step('prepare');
  await ensurePackages(root, note);
  const { host } = await ensureEngine(note);
  await ensureBaseImages(host, images, note);
  const env = projectEnvironment(root);
  await run('npm', ['run', '--silent', 'build'], { cwd: root, env });
  await run(
    'docker',
    ['build', '--quiet', '-f', 'deploy/Dockerfile', '--build-arg', 'PACKAGES=', '-t', ownImage, '.'],
    {
      cwd: root,
      env: { ...env, DOCKER_HOST: host },
    },
  );
  const places = await ensureKubernetes(note);
  note('ready');
  step('a cluster of one node');
  await runCluster(places, ['up', '1']);
  try {
    await runCluster({ ...places, DOCKER_HOST: host }, ['load', ...images, ownImage]);
    const kubeconfig = kubeconfigOf(places);
    const { ok } = await runVitest(['kube', 'promises'], {
      root,
      env: {
        ...env,
        KUBECONFIG: kubeconfig,
        LOOMS_TEST_KUBECTL: places.LOOMS_KUBE_BIN,
        LOOMS_TEST_NODE_NETWORK: nodeNetwork,
        LOOMS_TEST_IMAGE: ownImage,
      },
      signal: interrupt.signal,
      files: process.argv.slice(2),
    });
    process.exitCode = interrupt.exitCode() ?? (ok ? 0 : 1);
  } finally {
    await runCluster(places, ['down']);
  }
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
