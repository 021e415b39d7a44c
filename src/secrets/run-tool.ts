import { spawn } from 'node:child_process';

export type ToolResult =
  | { readonly result: 'ended'; readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }
  | { readonly result: 'not-started'; readonly why: string }
  | { readonly result: 'too-slow' }
  | { readonly result: 'too-much' };

/** Most that is taken from a tool, bytes: a secret is small. */
const maxOutput = 1024 * 1024;

/** Runs a program without a shell, on `input`, for at most `timeoutMs`; then all of it is killed. Never throws. */
export function runTool(
  argv: readonly string[],
  options: {
    readonly input?: string;
    readonly timeoutMs: number;
    readonly environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<ToolResult> {
  const [command = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: options.environment, detached: true, stdio: 'pipe' });
    const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    let size = 0;
    const finish = (result: ToolResult) => {
      clearTimeout(timer);
      resolve(result);
    };
    const kill = (result: ToolResult) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It ended in this moment.
      }
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      finish(result);
    };
    const timer = setTimeout(() => kill({ result: 'too-slow' }), options.timeoutMs);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxOutput) kill({ result: 'too-much' });
        else chunks[name].push(chunk);
      });
    }
    child.on('error', (error) => finish({ result: 'not-started', why: error.message }));
    child.on('close', (exitCode) =>
      finish({
        result: 'ended',
        exitCode,
        stdout: Buffer.concat(chunks.stdout).toString('utf8'),
        stderr: Buffer.concat(chunks.stderr).toString('utf8'),
      }),
    );
    child.stdin.on('error', () => {}); // A tool need not read its input.
    child.stdin.end(options.input ?? '');
  });
}
