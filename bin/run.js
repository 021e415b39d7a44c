#!/usr/bin/env node
// The program. Written so that an old Node can read it: it says what is missing instead of a syntax error.
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const argv = process.argv.slice(2);
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 13)) {
  const { runWithNewerNode } = await import('./newer-node.js');
  process.exitCode = await runWithNewerNode(argv);
} else {
  // Not imported: an ES import of `node:fs` reads all its exports, and so loads streams that most runs do not need.
  const { existsSync, readFileSync } = process.getBuiltinModule('node:fs');
  // On before the first dynamic import, else the compiled code of that import is not kept.
  module.enableCompileCache();
  endWithOlderNode();
  if (argv[0] === '--version' || argv[0] === '-v') {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    process.stdout.on('error', ({ code }) => {
      if (code !== 'EPIPE') process.exitCode = 73;
    });
    process.stdout.write(`looms/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
  } else if (!existsSync(new URL('../dist/cli/start.js', import.meta.url))) {
    process.stderr.write('error[not-built]: this checkout of looms is not built yet: run `npm run build` in it\n');
    process.exitCode = 1;
  } else if (!(await isDoneByGateway())) {
    const { start } = await import('../dist/cli/start.js');
    await start(argv, fileURLToPath(new URL('..', import.meta.url)));
  }
}

/** What talks to a server is done by a gateway where one runs: the way there loads nothing but a file of its own. */
async function isDoneByGateway() {
  if (argv[0] !== 'mcp') return false;
  const { runNear } = await import('../dist/cli/near.js');
  return runNear(argv, fileURLToPath(new URL('..', import.meta.url)));
}

/**
 * Ends this process as SIGTERM does when the older Node that started it is gone, be it by SIGKILL, of which no process can
 * tell another: the channel between the two ends with it.
 */
function endWithOlderNode() {
  const { LOOMS_STARTED_BY: parent } = process.env;
  if (parent === undefined) return;
  delete process.env.LOOMS_STARTED_BY;
  const end = () => process.kill(process.pid, 'SIGTERM');
  if (process.channel === undefined || parent !== String(process.ppid)) return end();
  process.on('disconnect', end);
  process.channel.unref();
}
