import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Runs the program again under the Node that a checkout brings along (the `node` development dependency), because the
 * one that was started is too old. Resolves to the exit code; 1 with a message when there is no newer one.
 */
export function runWithNewerNode(argv) {
  const node = bundledNode();
  if (node === undefined) {
    process.stderr.write(
      `error[node-too-old]: looms needs Node 22.13 or newer, this is ${process.versions.node}\n` +
        'hint: install a current Node, or run `npm ci` in the checkout, which brings one along\n',
    );
    return Promise.resolve(1);
  }
  return new Promise((resolve, reject) => {
    // The channel ends with this process, however it ends: the child sees that and ends as well (run.js).
    const child = spawn(node, [process.argv[1], ...argv], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, LOOMS_STARTED_BY: String(process.pid) },
    });
    // A terminal sends Ctrl-C to both of us; passing it on would make the first one count twice.
    process.on('SIGINT', () => {
      if (!isInForeground()) child.kill('SIGINT');
    });
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (signal !== null) {
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      } else resolve(code ?? 1);
    });
  });
}

/** Whether a terminal's Ctrl-C comes to this process, and so to its child: they are in its foreground process group. */
function isInForeground() {
  try {
    // After the name in brackets, which may hold anything: state, parent, group, session, terminal, its foreground group.
    const [, , group, , , foreground] = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return group === foreground;
  } catch {
    return process.stdin.isTTY === true;
  }
}

function bundledNode() {
  try {
    const require = createRequire(import.meta.url);
    const folder = require.resolve('node/package.json');
    return require('node:path').join(folder, '..', 'bin', 'node');
  } catch {
    return undefined;
  }
}
