import { ensureBaseImages, quickstartImages } from './lib/base-images.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';
import { narrator } from './lib/narrator.mjs';
import { describeNode, ensurePackages, projectEnvironment } from './lib/packages.mjs';
import { root } from './lib/root.mjs';
import { run } from './lib/run.mjs';

const spec = 'examples/quickstart.yaml';
const message = 'Hello from a container';

const { title, step, note, elapsed } = narrator();

/** From a bare machine to the answer of an MCP tool. Each step is skipped when its work is done. */
async function main() {
  title('looms quickstart: from a bare machine to the answer of an MCP tool');

  step('1/5  npm packages');
  const packages = await ensurePackages(root, note);
  note(`${packages === 'there' ? 'already there' : 'installed'}; ${await describeNode(root)}`);

  step('2/5  Docker Engine');
  const engine = await ensureEngine(note);
  note(`${engine.started ? 'started' : 'already there'}: Engine ${engine.version} on ${engine.host}`);

  step('3/5  base images');
  const images = await ensureBaseImages(engine.host, quickstartImages, note);
  for (const { tag, how } of images) note(`${tag}: ${outcomes[how]}`);

  const env = projectEnvironment(root, { DOCKER_HOST: engine.host });

  step('4/5  looms itself');
  await run('npm', ['run', '--silent', 'build'], { cwd: root, env });
  note('built into dist/');

  step('5/5  an MCP server');
  await looms(env, 'apply', '-f', spec, '--yes');
  await looms(env, 'mcp', 'call', 'everything', 'echo', `message=${message}`);

  step(`Done in ${elapsed()}. What to try next:`);
  console.log(`  ${command} mcp tools everything               what else the server can do`);
  console.log(`  ${command} diff -f ${spec}   whether it still runs as the file says`);
}

const command = 'node bin/run.js';
const outcomes = {
  there: 'already there',
  pulled: 'pulled',
  'stand-in': 'made here, as a stand-in for the official one',
};

/** Runs looms in sight of the person, who may type the same. */
async function looms(env, ...args) {
  const shown = args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg)).join(' ');
  note(`$ ${command} ${shown}`);
  await run('node', ['bin/run.js', ...args], { cwd: root, env, show: true });
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
try {
  await main();
} catch (error) {
  note(error.message);
  process.exitCode = 1;
}
