import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { inTurn, median, printRatios, runProgram } from './lib/measure.mjs';
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
    const answers = {};
    const run = async (command, args, name) => {
      const { stdout, ms, answeredMs } = await runProgram(command, args, { answer: 'Echo: hi' });
      if (answeredMs === undefined) throw new Error(`${command} answered ${stdout.slice(0, 300)}`);
      answers[name] = [...(answers[name] ?? []), answeredMs];
      return ms;
    };
    const byMcporter = (name, stdio) =>
      run(mcporter, ['call', '--stdio', `${stdio} ${serverArgv.join(' ')}`, 'echo', 'message=hi'], name);
    const raw = [rawCall, container, 'echo', '{"message":"hi"}', ...serverArgv];
    const times = await inTurn(rounds, {
      raw: () => run(process.execPath, raw, 'raw'),
      looms: () =>
        run(process.execPath, [looms, 'mcp', 'call', server, 'echo', 'message=hi', '--project', project], 'looms'),
      ...(mcporter === undefined
        ? {}
        : {
            exec: () => byMcporter('exec', `docker exec -i ${container}`),
            run: () => byMcporter('run', `docker run -i --rm --label looms.test=bench ${image}`),
          }),
    });
    const answered = Object.fromEntries(Object.entries(answers).map(([name, all]) => [name, median(all)]));
    for (const [until, each] of [
      ['answer', answered],
      ['end of the program', times],
    ]) {
      printRatios(`one tool call from a cold start until the ${until}, the server’s own start included`, [
        ['30 lines on the raw engine API (exec)', each.raw],
        ['looms mcp call', each.looms],
        [`mcporter ${mcporterVersion} over docker exec`, each.exec],
        [`mcporter ${mcporterVersion} over docker run --rm`, each.run],
      ]);
    }
  } finally {
    await removeProject(project);
    rmSync(folder, { recursive: true, force: true });
  }
}
