import { spawn } from 'node:child_process';
import { findCompose } from './lib/compose.mjs';
import { onSpecs, removeProject, withFile } from './lib/looms.mjs';
import { median, printRatios, runProgram, timed } from './lib/measure.mjs';
import { call, eachOf, handshake, speakMcp } from './lib/raw-engine.mjs';
import { serverArgv, serverImage } from './lib/server-image.mjs';
import { composeFile, loomsSpecs, names } from './lib/specs.mjs';

const count = 20;
const rounds = 3;
const project = 'bench-gates';
const argv = serverArgv;
async function composeUntilAllAnswer(image) {
  const compose = await findCompose();
  if (compose === undefined) return undefined;
  const text = composeFile(count, { image, command: ['sleep', 'infinity'] });
  return withFile(text, 'compose.yaml', async (cwd) => {
    const run = (...args) => runProgram(compose.command, [...compose.args, '-p', 'bench-gated', ...args], { cwd });
    try {
      return await timed(async () => {
        await run('up', '-d');
        const filters = encodeURIComponent(JSON.stringify({ label: ['com.docker.compose.project=bench-gated'] }));
        const containers = await call('GET', `/containers/json?filters=${filters}`);
        await eachOf(
          containers.map(({ Id }) => Id),
          8,
          (id) => handshake(id, argv),
        );
      });
    } finally {
      await run('down', '-t', '0');
    }
  });
}

/** What people do by hand: one `docker run` a server, eight at a time, until each has answered. */
const dockerRuns = (image) =>
  timed(() =>
    eachOf(names(count), 8, async () => {
      const child = spawn('docker', ['run', '-i', '--rm', '--init', '--label', 'looms.test=bench', image, ...argv], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const ended = new Promise((done) => child.on('close', done));
      await new Promise((resolved, reject) => {
        child.on('error', reject);
        speakMcp(child.stdout, resolved, reject, (message) => child.stdin.write(`${JSON.stringify(message)}\n`));
      });
      child.stdin.end();
      child.kill('SIGTERM');
      await ended;
    }),
  );

/** Twenty servers until all of them have answered MCP. */
export async function benchGates() {
  const image = await serverImage(project);
  const specs = loomsSpecs(count, { image, argv });
  const times = { compose: [], runs: [], looms: [] };
  for (let round = 0; round < rounds; round += 1) {
    const composed = await composeUntilAllAnswer(image);
    if (composed !== undefined) times.compose.push(composed);
    times.runs.push(await dockerRuns(image));
    try {
      times.looms.push((await onSpecs(project, specs, ['apply', '--yes'])).ms);
    } finally {
      await removeProject(project);
    }
  }
  printRatios(`${count} servers until all have answered MCP`, [
    [
      'docker compose up, then a handshake by exec each',
      times.compose.length === 0 ? undefined : median(times.compose),
    ],
    ['docker run, eight at a time', median(times.runs)],
    ['looms apply', median(times.looms)],
  ]);
}
