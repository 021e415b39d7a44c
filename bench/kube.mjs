import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram, timed } from './lib/measure.mjs';
import { loomsSpecs, names, shellArgv } from './lib/specs.mjs';

const count = 50;
const rounds = 5;
const image = 'debian:bookworm-slim';
const project = 'bench-kube';
const namespace = `looms-${project}`;
const onCluster = ['--context', 'kubernetes:'];
/** A server of the cluster that has images of its own loaded (npm run kube) has `kubectl` in one program with all else. */
const [kubectlProgram, ...first] =
  process.env.LOOMS_TEST_KUBECTL === undefined ? ['kubectl'] : [process.env.LOOMS_TEST_KUBECTL, 'kubectl'];

const kubectl = (args, options) => runProgram(kubectlProgram, [...first, ...args], options);

const handshake = [
  { id: 0, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: {} } },
  { method: 'notifications/initialized' },
  { id: 1, method: 'tools/list', params: {} },
]
  .map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  .join('');

/** Servers on the cluster of KUBECONFIG, beside kubectl, and beside the Docker Engine of this machine. */
export async function benchKube() {
  if (process.env.KUBECONFIG === undefined) {
    console.error('kube is left out: no KUBECONFIG names a cluster (npm run kube -- up)');
    return;
  }
  const specs = loomsSpecs(count, { image, argv: shellArgv });
  const clear = async () => {
    await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=true']);
    await removeProject(project);
  };
  await clear();
  try {
    const exported = (await onSpecs(project, specs, ['export', '--to', 'kubernetes'])).stdout;
    const byKubectl = await timed(async () => {
      await kubectl(['apply', '-f', '-'], { input: exported });
      await kubectl(['-n', namespace, 'wait', '--for=condition=Available', 'deployment', '--all', '--timeout=600s']);
    });
    await clear();
    const onDocker = await timed(() => onSpecs(project, specs, ['apply', '--yes']));
    const onPods = await timed(() => onSpecs(project, specs, ['apply', '--yes', ...onCluster]));
    printRatios(`${count} servers until all have answered`, [
      ['kubectl apply and wait', byKubectl],
      ['looms apply on the cluster', onPods],
      ['looms apply on Docker', onDocker],
    ]);
    const written = (await onSpecs(project, specs, ['export', '--to', 'kubernetes'])).stdout;
    // What looms itself made has annotations more than what it exports: kubectl tells that by exit code 1.
    const looks = await inTurn(rounds, {
      kubectl: async () => (await kubectl(['diff', '-f', '-'], { input: written, exits: [0, 1] })).ms,
      cluster: async () => (await onSpecs(project, specs, ['diff', ...onCluster])).ms,
      docker: async () => (await onSpecs(project, specs, ['diff'])).ms,
    });
    printRatios(`Nothing to do for ${count} servers`, [
      ['kubectl diff', looks.kubectl],
      ['looms diff on the cluster', looks.cluster],
      ['looms diff on Docker', looks.docker],
    ]);
    const [server] = names(1);
    const list = async (more) =>
      (await runProgram(process.execPath, [looms, 'mcp', 'tools', server, '--project', project, ...more])).ms;
    const exec = ['-n', namespace, 'exec', '-i', `deployment/looms-${server}`, '-c', 'server', '--', ...shellArgv];
    const sessions = await inTurn(rounds, {
      kubectl: async () => (await kubectl(exec, { input: handshake, answer: '"tools"' })).answeredMs,
      cluster: () => list(onCluster),
      docker: () => list([]),
    });
    printRatios('a session from a cold start of the client until it has listed tools', [
      ['kubectl exec, three lines', sessions.kubectl],
      ['looms mcp tools on the cluster', sessions.cluster],
      ['looms mcp tools on Docker', sessions.docker],
    ]);
  } finally {
    await clear();
  }
}
