import type { Failure } from '../model/events.ts';
import { nearest } from '../model/nearest.ts';
import { listed } from './render/text.ts';

type UsageError = Error & { readonly oclif: { readonly exit?: number } };

/** Whether oclif refused the command line: it marks its own errors, ours and unexpected ones carry no mark. */
export const isUsageError = (error: unknown): error is UsageError =>
  error instanceof Error && 'oclif' in error && typeof error.oclif === 'object' && error.oclif !== null;

type Parsed = { readonly flags: readonly string[]; readonly parse: unknown };

/** What oclif's parser put on its error, beside the message. */
const parsedOf = (error: Error): Parsed => ({
  flags: 'flags' in error && Array.isArray(error.flags) ? error.flags.map(String) : [],
  parse: 'parse' in error ? error.parse : undefined,
});

/** Names of the flags that the command knows, as oclif's parser saw them. */
function knownFlags({ parse }: Parsed): string[] {
  if (typeof parse !== 'object' || parse === null || !('input' in parse)) return [];
  const { input } = parse;
  if (typeof input !== 'object' || input === null || !('flags' in input)) return [];
  return Object.keys(input.flags ?? {}).map((name) => `--${name}`);
}

/** What is wrong with a command line, in one sentence and without oclif's layout, and where to read on. */
export function usageFailure(error: UsageError, argv: readonly string[]): Failure {
  const words = argv.filter((word) => !word.startsWith('-'));
  const parsed = parsedOf(error);
  // oclif separates the words of a command by colons inside.
  const unknown = /^[Cc]ommand (\S+) not found/.exec(error.message)?.[1]?.replaceAll(':', ' ');
  if (unknown !== undefined) {
    const close = nearest(unknown, commandNames) ?? nearest(words[0] ?? '', commandNames);
    return {
      code: 'usage',
      message: `there is no command "${unknown}"`,
      hint: close === undefined ? 'looms --help lists all commands' : `did you mean "looms ${close}"?`,
      detail: [],
    };
  }
  const command = [...commandNames]
    .sort((a, b) => b.length - a.length)
    .find((name) => `${words.join(' ')} `.startsWith(`${name} `));
  const help = command === undefined ? 'see looms --help' : `see looms ${command} --help`;
  const { flags } = parsed;
  if (error.constructor.name === 'NonExistentFlagsError' && flags.length > 0) {
    const close = nearest(flags[0] ?? '', knownFlags(parsed));
    return {
      code: 'usage',
      message: `there is no flag ${listed(flags, 'or')}`,
      hint: close === undefined ? help : `did you mean ${close}?`,
      detail: [],
    };
  }
  const lines = error.message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(See more help with|The following errors? occurred|Note: )/.test(line));
  return { code: 'usage', message: rephrase(lines), hint: help, detail: [] };
}

/** oclif's message, which may be several lines with a heading, as one sentence. */
function rephrase(lines: readonly string[]): string {
  const [first = 'the command line is wrong', ...rest] = lines;
  const flag = /^Parsing (--\S+)/.exec(first)?.[1];
  const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
  if (flag !== undefined) return `${flag}: ${lower(rest.join(', '))}`;
  if (/^Missing \d+ required args?/.test(first)) {
    return `missing ${listed(rest.map((line) => line.split(/\s{2,}/)[0] ?? line))}`;
  }
  return lower([first, ...rest].join(', '));
}

/** All commands as they are typed; a test compares this list with the manifest. */
export const commandNames: readonly string[] = [
  'apply',
  'config delete-key',
  'config get-key',
  'config list-keys',
  'config set-key',
  'delete',
  'describe',
  'diff',
  'doctor',
  'get',
  'init',
  'mcp call',
  'mcp tools',
  'plan',
  'validate',
];
