import { ensureBaseImages } from './lib/base-images.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';
import { onInterrupt } from './lib/interrupts.mjs';
import { ensureKubernetes, namedCluster, withCluster } from './lib/kubernetes.mjs';
import { narrator } from './lib/narrator.mjs';
import { ensurePackages, projectEnvironment } from './lib/packages.mjs';
import { root } from './lib/root.mjs';
import { run, tryRun } from './lib/run.mjs';
import { runVitest } from './lib/run-vitest.mjs';

/** What the tests run in pods. */
const images = ['node:24-slim', 'debian:bookworm-slim'];

/** looms itself, as deploy/Dockerfile makes it of this checkout. */
const ownImage = 'looms:test-kube';

/** Tests by the nodes that they take: of two, one may be lost. */
const byNodes = /** @type {const} */ ([
  [1, ['kube', 'promises']],
  [2, ['node-lost']],
]);

const { title, step, note } = narrator();
const interrupt = onInterrupt();
/** Words of the command line: only tests whose path holds one of these. */
const files = process.argv.slice(2);

/** Runs the tests that need a cluster: on the one that KUBECONFIG names, else on one that is brought up for them. */
async function main() {
  title('looms: what it does on Kubernetes, on a real one');
  step('prepare');
  await ensurePackages(root, note);
  const env = projectEnvironment(root);
  const named = await namedCluster(note);
  await run('npm', ['run', '--silent', 'build'], { cwd: root, env });
  const ok = await (named === undefined
    ? onOwnClusters(env)
    : test(
        byNodes.flatMap(([, all]) => all),
        { ...env, ...named },
      ));
  process.exitCode = interrupt.exitCode() ?? (ok ? 0 : 1);
}

const test = async (projects, env) => {
  const { ok } = await runVitest(projects, { root, env, signal: interrupt.signal, files });
  return ok;
};

/** Whether Git is in it. The image of the run before goes: without its name it would stay for good. */
async function buildOwnImage(env) {
  const docker = (...args) => tryRun('docker', args, { cwd: root, env });
  const idOf = async () => (await docker('image', 'inspect', '--format', '{{.Id}}', ownImage)).stdout.trim();
  const before = await idOf();
  const build = (...more) =>
    run('docker', ['build', '--quiet', '-f', 'deploy/Dockerfile', ...more, '-t', ownImage, '.'], { cwd: root, env });
  const hasGit = await build().then(
    () => true,
    () => false,
  );
  if (!hasGit) {
    note('the image of looms is made without Git: its packages cannot be had here');
    await build('--build-arg', 'PACKAGES=');
  }
  if (before !== '' && before !== (await idOf())) await docker('image', 'rm', before);
  return hasGit;
}

/** @param {NodeJS.ProcessEnv} env */
async function onOwnClusters(env) {
  const { host } = await ensureEngine(note);
  await ensureBaseImages(host, images, note);
  const hasGit = await buildOwnImage({ ...env, DOCKER_HOST: host });
  const places = await ensureKubernetes(note);
  note('ready');
  const isOfLostNode = (file) => file.includes('node-lost');
  const isAsked = (project) =>
    files.length === 0 || files.some((file) => isOfLostNode(file) === (project === 'node-lost'));
  let ok = true;
  for (const [nodes, projects] of byNodes) {
    if (interrupt.signal.aborted || !projects.some(isAsked)) continue;
    step(nodes === 1 ? 'a cluster of one node' : `a cluster of ${nodes} nodes`);
    const wanted = { nodes, images: [...images, ownImage], host };
    const went = await withCluster(places, wanted, (of) =>
      test(projects, {
        ...env,
        ...of,
        LOOMS_TEST_IMAGE: ownImage,
        ...(hasGit ? { LOOMS_TEST_IMAGE_WITH_GIT: ownImage } : {}),
      }),
    );
    ok = went && ok;
  }
  return ok;
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
