import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram } from './lib/measure.mjs';
import { serverArgv, serverImage } from './lib/server-image.mjs';
import { loomsSpecs, names } from './lib/specs.mjs';

const rounds = 5;
const project = 'bench-thv';
const workload = 'looms-bench';

/** ToolHive's list and its call of one tool, beside ours, on the same image; only where `thv` is on the PATH. */
export async function benchThv() {
  const thv = (...args) => runProgram('thv', args);
  const version = await thv('version').catch(() => undefined);
  if (version === undefined) {
    console.log('\nToolHive: thv is not on the PATH, so its list and its call are not measured');
    return;
  }
  const image = await serverImage(project);
  const [server] = names(1);
  await onSpecs(project, loomsSpecs(1, { image, argv: serverArgv }), ['apply', '--yes']);
  try {
    await thv('run', '--name', workload, '--transport', 'stdio', image, '--', ...serverArgv);
    const ours = (...args) => runProgram(process.execPath, [looms, ...args, '--project', project]);
    const kinds = {
      'thv list': () => thv('list'),
      'looms get': () => ours('get'),
      'thv mcp call': () => thv('mcp', 'call', 'echo', '--server', workload, '--args', '{"message":"hi"}'),
      'looms mcp call': () => ours('mcp', 'call', server, 'echo', 'message=hi'),
    };
    const timed = Object.entries(kinds).map(([name, work]) => [name, async () => (await work()).ms]);
    const times = await inTurn(rounds, Object.fromEntries(timed));
    printRatios('A list of one server, and one tool call', Object.entries(times));
  } finally {
    await thv('rm', workload).catch((error) => console.error(`  (${error.message})`));
    await removeProject(project);
  }
}
