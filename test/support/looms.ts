import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onNodes } from './node-images.ts';

/** The program as a user starts it. */
export const program = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/** Where nothing listens: for tests of what happens without an engine. */
export const deadEngine = 'unix:///nonexistent/docker.sock';

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
};

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** A fresh, empty folder; gone with the run (test/global-setup.ts). */
export const emptyFolder = (): string => mkdtempSync(join(tmpdir(), 'looms-test-'));

const state = emptyFolder();

/** Only what the program needs: a test must not depend on who runs it, or in which CI. */
function environment(extra: RunOptions['env']): NodeJS.ProcessEnv {
  const kept = [
    'PATH',
    'HOME',
    'DOCKER_HOST',
    'LOOMS_BUILD_CA',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
  ];
  const inherited = kept.flatMap((name) => {
    const value = process.env[name] ?? process.env[name.toLowerCase()];
    return value === undefined ? [] : [[name, value] as const];
  });
  // What servers over HTTP are reached through is an image as those of the servers.
  const images =
    process.env.LOOMS_TEST_IMAGES === undefined ? {} : { LOOMS_RELAY_IMAGE: onNodes('debian:bookworm-slim') };
  return { ...Object.fromEntries(inherited), ...images, XDG_STATE_HOME: state, ...extra };
}

/** The built program as a child process that can be sent signals. */
export function startLooms(
  args: readonly string[],
  options: RunOptions = {},
): { child: ChildProcess; finished: Promise<Finished>; stdout: () => string; stderr: () => string } {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd ?? emptyFolder(),
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.end(options.stdin ?? '');
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, finished, stdout: () => stdout, stderr: () => stderr };
}

/** Runs the built program to its end. */
export const looms = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
  startLooms(args, options).finished;
