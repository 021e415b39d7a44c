/**
 * How looms on a cluster compares, on this machine and in one run, with kubectl and with looms on a Docker Engine: the same
 * servers until all have answered MCP, a look that finds nothing to do, and a session. The ratios are what to look at.
 *
 *   npm run bench:kube                           50 servers, on a cluster of one node that is brought up for it
 *   npm run bench:kube -- --servers 20 --json FILE
 *   KUBECONFIG=FILE npm run bench:kube           on the cluster of that file's current context (docs/contributing.md)
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ensureBaseImages } from '../scripts/lib/base-images.mjs';
import { ensureEngine } from '../scripts/lib/ensure-engine.mjs';
import { onInterrupt } from '../scripts/lib/interrupts.mjs';
import { ensureKubernetes, namedCluster, withCluster } from '../scripts/lib/kubernetes.mjs';
import { narrator } from '../scripts/lib/narrator.mjs';
import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram, tables, timed } from './lib/measure.mjs';
import { loomsSpecs, names, shellArgv } from './lib/specs.mjs';

const { values: flags } = parseArgs({
  options: { servers: { type: 'string', default: '50' }, json: { type: 'string' } },
});
const count = Number(flags.servers);
const rounds = { looks: 3, sessions: 5 };
const image = 'debian:bookworm-slim';
const project = 'bench-kube';
const namespace = `looms-${project}`;
const onCluster = ['--context', 'kubernetes:'];
const onDocker = ['--context', 'docker:'];
/** What is printed on standard output are figures alone. */
const { note } = narrator(process.stderr);

/** Of a whole session: the handshake, and what it is for. */
const lines = [
  { id: 0, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: {} } },
  { method: 'notifications/initialized' },
  { id: 1, method: 'tools/list', params: {} },
]
  .map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  .join('');

/** @param {NodeJS.ProcessEnv} env that of the cluster, and of the engine */
async function measure(env) {
  const kubectl = (args, options) => runProgram(env.LOOMS_TEST_KUBECTL, args, { env, ...options });
  const ofImage = (name) => loomsSpecs(count, { image: name, argv: shellArgv });
  const [specs, podSpecs] = [ofImage(image), ofImage(`${env.LOOMS_TEST_IMAGES ?? ''}${image}`)];
  const here = (args) => onSpecs(project, specs, [...args, ...onDocker], { env });
  const there = (args) => onSpecs(project, podSpecs, [...args, ...onCluster], { env });
  const clear = () => kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=true']);
  await clear();
  await removeProject(project);
  try {
    note(`looms apply of ${count} servers on Docker`);
    const byDocker = await timed(() => here(['apply', '--yes']));

    note(`kubectl apply of the same on the cluster`);
    const { stdout: exported } = await onSpecs(project, podSpecs, ['export', '--to', 'kubernetes'], { env });
    const byKubectl = await timed(async () => {
      await kubectl(['apply', '-f', '-'], { input: exported });
      const all = ['rollout', 'status', 'deployment', '-l', `looms.dev/project=${project}`, '--timeout=600s'];
      await kubectl(['-n', namespace, ...all]);
    });

    note(`looking ${rounds.looks} times, each in turn`);
    const looks = await inTurn(rounds.looks, {
      kubectl: async () => (await kubectl(['diff', '-f', '-'], { input: exported })).ms,
      cluster: async () => (await there(['diff'])).ms,
      docker: async () => (await here(['diff'])).ms,
    });

    note(`${rounds.sessions} sessions, each in turn`);
    const [server] = names(count);
    const list = async (context) =>
      (await runProgram(process.execPath, [looms, 'mcp', 'tools', server, '--project', project, ...context], { env }))
        .ms;
    const exec = ['-n', namespace, 'exec', '-i', `deployment/looms-${server}`, '-c', 'server', '--', ...shellArgv];
    const sessions = await inTurn(rounds.sessions, {
      kubectl: async () => (await kubectl(exec, { input: lines, answer: '"tools"' })).answeredMs,
      cluster: () => list(onCluster),
      docker: () => list(onDocker),
    });

    note('taking away what kubectl made');
    await clear();
    note(`looms apply of ${count} servers on the cluster`);
    const byLooms = await timed(() => there(['apply', '--yes']));

    await printVersions(kubectl);
    printRatios(`${count} servers until all have answered MCP`, [
      ['kubectl apply and rollout status', byKubectl],
      ['looms apply on the cluster', byLooms],
      ['looms apply on Docker', byDocker],
    ]);
    printRatios(`Nothing to do for ${count} servers`, [
      ['kubectl diff', looks.kubectl],
      ['looms diff on the cluster', looks.cluster],
      ['looms diff on Docker', looks.docker],
    ]);
    printRatios('A session of its own, from a cold start of the client until its tools are listed', [
      ['kubectl exec: three lines, until the answer', sessions.kubectl],
      ['looms mcp tools on the cluster, until its end', sessions.cluster],
      ['looms mcp tools on Docker, until its end', sessions.docker],
    ]);
  } finally {
    note('clearing up');
    await Promise.all([clear(), removeProject(project)]);
  }
}

/** What the figures are of. */
async function printVersions(kubectl) {
  const { serverVersion } = JSON.parse((await kubectl(['version', '-o', 'json'])).stdout);
  const docker = (await runProgram('docker', ['version', '--format', '{{.Server.Version}}'])).stdout.trim();
  const now = new Date().toISOString().slice(0, 10);
  console.log(`${now}: Kubernetes ${serverVersion.gitVersion}, Docker Engine ${docker}, Node ${process.version}`);
}

// What is measured ends with this program's group, which fails the run: then the cluster is taken down.
const interrupt = onInterrupt();
const { host } = await ensureEngine(note);
process.env.DOCKER_HOST ??= host;
await ensureBaseImages(host, [image], note);
const named = await namedCluster(note);
if (named === undefined) {
  const places = await ensureKubernetes(note);
  await withCluster(places, { nodes: 1, images: [image], host }, (of) => measure({ ...process.env, ...of }));
} else {
  await measure({ ...process.env, ...named });
}
process.exitCode = interrupt.exitCode();
if (flags.json !== undefined) {
  const figures = { node: process.version, at: new Date().toISOString(), tables };
  writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
}
