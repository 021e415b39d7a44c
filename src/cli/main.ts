import type { CommandClass } from './base-command.ts';
import { flagWords } from './command-line/output-format.ts';
import { exitCode } from './exit-codes.ts';
import { watchOutput } from './terminal/lost-output.ts';
import { thisProgram } from './terminal/program.ts';

/**
 * Runs one command line and ends the process with its exit code. `root` is the package's folder, where the manifest
 * is; `load` gives what the file of a command exports, by its name: `mcp/call`. Every failure becomes text on stderr and
 * an exit code: commands report their own, this one reports what went wrong before a command was found.
 */
export async function main(argv: readonly string[], root: string, load: LoadCommand): Promise<void> {
  const finish = watchOutput();
  try {
    const words = withHelp(argv);
    const found = await findCommand(words, load);
    if (found === undefined) await askOclif(words, root);
    else await new found.command(found.argv, found.command.configFor(root)).start(thisProgram());
    // Commands set the code of what they found out (2, 3, 4, 5 …); nothing set means done.
    process.exitCode ??= exitCode.done;
  } catch (error) {
    const { exitRequested, reportError } = await import('./report-error.ts');
    process.exitCode = exitRequested(error) ?? (await reportError(error, { ...thisProgram(), argv }, (text) => text));
  }
  await finish();
}

/** Undefined where there is no command of that name. */
type LoadCommand = (name: string) => Promise<object | undefined>;

/**
 * The command that the words name, where that is plain from the names of the files: with it oclif parses and runs, but
 * need not first read what all commands are. Help, aliases and what is not understood are left to oclif as a whole.
 */
async function findCommand(
  words: readonly string[],
  load: LoadCommand,
): Promise<{ command: CommandClass; argv: string[] } | undefined> {
  if (asksForHelp(words)) return undefined;
  for (const length of [2, 1]) {
    const named = words.slice(0, length);
    if (named.length < length || !named.every((word) => /^[a-z][a-z-]*$/.test(word))) continue;
    const loaded = await load(named.join('/'));
    if (loaded === undefined) continue;
    const { default: command } = loaded as { default: CommandClass };
    const [next = '-'] = words.slice(length);
    // oclif takes a word that the command has no place for as part of the command's name, and says so.
    if (!next.startsWith('-') && Object.keys(command.args).length === 0) return undefined;
    command.id = named.join(':');
    return { command, argv: words.slice(length) };
  }
  return undefined;
}

/** Help, and what is left to oclif as a whole. */
async function askOclif(words: readonly string[], root: string): Promise<void> {
  if (asksForHelp(words) && (await (await import('./help.ts')).showHelp(words, root))) return;
  await (await import('@oclif/core/run')).default.run([...words], { root });
}

const asksForHelp = (words: readonly string[]): boolean => words.length === 0 || flagWords(words).includes('--help');

/** `-h` anywhere before `--`, and `help` in front, ask for help as well as `--help` does. */
function withHelp(argv: readonly string[]): string[] {
  const before = flagWords(argv);
  const words = [...before.map((word) => (word === '-h' ? '--help' : word)), ...argv.slice(before.length)];
  return words[0] === 'help' ? [...words.slice(1), '--help'] : words;
}
