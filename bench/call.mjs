import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram } from './lib/measure.mjs';
import { serverArgv, serverImage } from './lib/server-image.mjs';
import { loomsSpecs, names } from './lib/specs.mjs';

const rounds = 7;
const project = 'bench-call';
/** The release that is measured against, so that figures can be compared over time. */
const mcporterVersion = '0.12.3';
const rawCall = resolve(import.meta.dirname, 'lib/raw-call.mjs');

/** mcporter in a folder of its own, or undefined where its package cannot be had. */
async function installMcporter(folder) {
  try {
    await runProgram('npm', ['install', '--silent', '--prefix', folder, `mcporter@${mcporterVersion}`]);
    return join(folder, 'node_modules/.bin/mcporter');
  } catch (error) {
    console.error(`mcporter is left out: ${error.message}`);
    return undefined;
  }
}

/** One call of one tool from a cold start of the client, the server's own start included. */
export async function benchCall() {
  const image = await serverImage(project);
  const folder = mkdtempSync(join(tmpdir(), 'looms-bench-'));
  try {
    const mcporter = await installMcporter(folder);
    const [server] = names(1);
    await onSpecs(project, loomsSpecs(1, { image, argv: serverArgv }), ['apply', '--yes']);
    const container = `looms-${project}-${server}`;
    const run = async (command, args) => {
      const { stdout, ms } = await runProgram(command, args);
      if (!stdout.includes('Echo: hi')) throw new Error(`${command} answered ${stdout.slice(0, 300)}`);
      return ms;
    };
    const byMcporter = (stdio) =>
      run(mcporter, ['call', '--stdio', `${stdio} ${serverArgv.join(' ')}`, 'echo', 'message=hi']);
    const raw = [rawCall, container, 'echo', '{"message":"hi"}', ...serverArgv];
    const times = await inTurn(rounds, {
      raw: () => run(process.execPath, raw),
      looms: () => run(process.execPath, [looms, 'mcp', 'call', server, 'echo', 'message=hi', '--project', project]),
      ...(mcporter === undefined
        ? {}
        : {
            exec: () => byMcporter(`docker exec -i ${container}`),
            run: () => byMcporter(`docker run -i --rm --label looms.test=bench ${image}`),
          }),
    });
    printRatios('one tool call from a cold start, the server’s own start included', [
      ['30 lines on the raw engine API (exec)', times.raw],
      ['looms mcp call', times.looms],
      [`mcporter ${mcporterVersion} over docker exec`, times.exec],
      [`mcporter ${mcporterVersion} over docker run --rm`, times.run],
    ]);
  } finally {
    await removeProject(project);
    rmSync(folder, { recursive: true, force: true });
  }
}
