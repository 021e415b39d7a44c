import { spawn } from 'node:child_process';

const keptLines = 200;
const shownLines = { first: 8, last: 16 };

/**
 * Runs a program to its end. Its output is shown as it comes (`show: true`), or kept and shown only
 * on failure.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, input?: string, signal?: AbortSignal }} options
 * @returns {Promise<string>} what it wrote to stdout (empty with `show`)
 * @throws {Error} when it cannot be started or exits with anything but 0; the message ends with its first and last lines
 */
export async function run(command, args, options = {}) {
  const result = await tryRun(command, args, options);
  if (result.code === 0) return result.stdout;
  const how = result.signal ? `was ended by ${result.signal}` : `ended with exit code ${result.code}`;
  const lines = shorten(result.lines).map((line) => `    ${line}`);
  throw new Error([`${[command, ...args].join(' ')} ${how}`, ...lines].join('\n'));
}

/** Some programs say what is wrong first, some last. */
function shorten(lines) {
  const { first, last } = shownLines;
  return lines.length <= first + last ? lines : [...lines.slice(0, first), '…', ...lines.slice(-last)];
}

/**
 * Like {@link run}, but an exit code is a result, not an error. After an abort it is over when the
 * program has ended, not before.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} options
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, lines: string[] }>}
 */
export function tryRun(command, args, { cwd, env, show = false, input, signal } = {}) {
  return new Promise((resolve, reject) => {
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const stdio = show ? [stdin, 'inherit', 'inherit'] : [stdin, 'pipe', 'pipe'];
    const child = spawn(command, args, { cwd, env, stdio });
    const end = () => child.kill('SIGTERM');
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
    let stdout = '';
    const lines = [];
    const keep = (text) => {
      lines.push(...text.split('\n').filter((line) => line.trim() !== ''));
      lines.splice(0, lines.length - keptLines);
    };
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      keep(text);
    });
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.stdin?.end(input);
    child.on('error', (error) => reject(new Error(`cannot run ${command}: ${error.message}`, { cause: error })));
    child.on('close', (code, ended) => {
      signal?.removeEventListener('abort', end);
      resolve({ code, signal: ended, stdout, lines });
    });
  });
}
