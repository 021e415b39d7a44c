import { run } from '@oclif/core/run';
import { exitCode } from './exit-codes.ts';

/**
 * Runs one command line and ends the process with its exit code. `root` is the package's folder, where the manifest
 * is. Every failure becomes text on stderr and an exit code: commands report their own, this one reports what went
 * wrong before a command was found.
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  try {
    await run(withHelp(argv), { root });
    // Commands set the code of what they found out (2, 3, 4, 5 …); nothing set means done.
    process.exitCode ??= exitCode.done;
  } catch (error) {
    process.exitCode = exitRequested(error) ?? (await report(error, argv));
  }
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  // What a second Ctrl-C abandoned must not hold the process, nor must connections that are kept alive.
  process.exit();
}

/** `-h` anywhere before `--`, and `help` in front, ask for help as well as `--help` does. */
function withHelp(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const before = (end === -1 ? argv : argv.slice(0, end)).map((word) => (word === '-h' ? '--help' : word));
  const words = [...before, ...(end === -1 ? [] : argv.slice(end))];
  return words[0] === 'help' ? [...words.slice(1), '--help'] : words;
}

async function report(error: unknown, argv: readonly string[]): Promise<number> {
  const { reportError } = await import('./report-error.ts');
  return await reportError(error, argv, (text) => text);
}

/** The code with which a command asked to end, after it has said why. */
function exitRequested(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIT' || !('oclif' in error))
    return undefined;
  const { oclif } = error;
  return typeof oclif === 'object' && oclif !== null && 'exit' in oclif && typeof oclif.exit === 'number'
    ? oclif.exit
    : undefined;
}
