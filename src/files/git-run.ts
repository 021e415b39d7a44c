import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { devNull } from 'node:os';
import { LoomsError } from '../model/errors.ts';

/** Longest time of one command, s: Git itself has no end of waiting for a server that says nothing. */
const mostSeconds = 60;
/** What is kept of an output, characters. */
const mostOutput = 1024 * 1024;

/** Of the environment of whoever started looms, what would point Git at another repository than the one named here. */
const elsewhere = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_NAMESPACE',
];

/** Settings under which nothing that a repository holds is run or followed. */
const settings = [
  ...['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'core.symlinks=false', 'submodule.recurse=false'],
  // It would put words before what is asked for.
  'log.showSignature=false',
];

export type GitEnd = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** `hear` is given the output as it comes, which is not kept then. */
export type RunGit = (args: readonly string[], signal: AbortSignal, hear?: (text: string) => void) => Promise<GitEnd>;

/**
 * The user's own Git, with the user's own settings and credentials, which never asks: it has no terminal, and its
 * programs are told so. Throws `source-unreachable` where there is no Git, or a command takes more than a minute.
 */
export function gitOf(environment: Readonly<Record<string, string | undefined>>): RunGit {
  const { GIT_SSH: ssh, GIT_SSH_COMMAND: sshCommand } = environment;
  const kept = Object.entries(environment).filter(([name]) => !elsewhere.includes(name));
  // Settings of a repository that looms is started in are not this user's: where there is none, Git looks no further.
  const nowhere = { GIT_DIR: devNull };
  const quiet = { GIT_TERMINAL_PROMPT: '0', GCM_INTERACTIVE: 'never', SSH_ASKPASS_REQUIRE: 'never' };
  const run = async (
    args: readonly string[],
    signal: AbortSignal,
    more: Record<string, string>,
    hear?: (text: string) => void,
  ): Promise<GitEnd> => {
    signal.throwIfAborted();
    // Its own group: what it starts for the way to a server ends with it, and has no terminal to ask at.
    const child = spawn('git', [...settings.flatMap((one) => ['-c', one]), ...args], {
      env: { ...Object.fromEntries(kept), ...nowhere, ...quiet, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const stopped = AbortSignal.any([signal, AbortSignal.timeout(mostSeconds * 1000)]);
    const kill = (): void => {
      try {
        // Git itself may have ended before what it started, which holds the pipes.
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // All of it has just ended.
      }
      child.stdout.destroy();
      child.stderr.destroy();
    };
    stopped.addEventListener('abort', kill, { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (hear !== undefined) hear(text);
      else if (stdout.length < mostOutput) stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-mostOutput);
    });
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      signal.throwIfAborted();
      if (code !== null && !stopped.aborted) return { code, stdout, stderr };
    } catch (error) {
      if (signal.aborted) throw error;
      throw new LoomsError('source-unreachable', 'Git cannot be run', {
        hint: 'looms follows a repository with the `git` of this machine: is it installed?',
        cause: error,
      });
    } finally {
      stopped.removeEventListener('abort', kill);
    }
    throw new LoomsError('source-unreachable', `git ${args[0]} took more than ${mostSeconds} s, and was ended`);
  };
  return async (args, signal, hear) => {
    if (ssh !== undefined && sshCommand === undefined) return run(args, signal, {}, hear);
    const configured = sshCommand ?? (await run(['config', '--get', 'core.sshCommand'], signal, {})).stdout.trim();
    return run(args, signal, { GIT_SSH_COMMAND: `${configured || 'ssh'} -oBatchMode=yes` }, hear);
  };
}
