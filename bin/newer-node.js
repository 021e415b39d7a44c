import { spawn } from 'node:child_process';
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
    const child = spawn(node, [process.argv[1], ...argv], { stdio: 'inherit' });
    // A terminal sends Ctrl-C to both of us; passing it on would make the first one count twice.
    process.on('SIGINT', () => {
      if (process.stdin.isTTY !== true) child.kill('SIGINT');
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

function bundledNode() {
  try {
    const require = createRequire(import.meta.url);
    const folder = require.resolve('node/package.json');
    return require('node:path').join(folder, '..', 'bin', 'node');
  } catch {
    return undefined;
  }
}
