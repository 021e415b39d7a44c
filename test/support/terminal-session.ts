import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

const program = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

export type TerminalSession = {
  /** Waits until the screen shows `text`. */
  readonly shows: (text: string) => Promise<void>;
  readonly type: (text: string) => void;
  /** Exit code, once it ended. */
  readonly ended: Promise<number | null>;
  readonly screen: () => string;
};

/** The built program on a pseudo-terminal of util-linux's `script`, as a person has it. */
export function onTerminal(args: readonly string[], cwd: string): TerminalSession {
  const line = [process.execPath, program, ...args].map(quoted).join(' ');
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm', CI: '', NO_COLOR: '1' },
  });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString('utf8');
  });
  return {
    shows: (text) =>
      eventually(() => {
        if (!seen.includes(text)) throw new Error(`the screen does not show ${JSON.stringify(text)}: ${seen}`);
      }, 20_000),
    type: (text) => child.stdin.write(text),
    ended: new Promise((resolve) => child.on('close', resolve)),
    screen: () => seen,
  };
}
