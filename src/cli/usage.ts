import type { Failure } from '../model/events.ts';
import { nearest } from '../model/values/nearest.ts';
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

const usage = (message: string, hint: string): Failure => ({ code: 'usage', message, hint, detail: [] });

/** What is wrong with a command line, in one sentence and without oclif's layout, and where to read on. */
export function usageFailure(error: UsageError, argv: readonly string[]): Failure {
  const words = argv.filter((word) => !word.startsWith('-'));
  const parsed = parsedOf(error);
  // oclif separates the words of a command by colons inside.
  const unknown = /^[Cc]ommand (\S+) not found/.exec(error.message)?.[1]?.replaceAll(':', ' ');
  if (unknown?.startsWith('-')) {
    return usage(
      `there is no flag ${unknown} before a command`,
      'flags stand after the command, as in `looms diff --host …`; looms --help lists all commands',
    );
  }
  // A command that takes no arguments is looked up together with the word behind it.
  const before = unknown === undefined ? undefined : commandIn(unknown.split(' '));
  if (unknown !== undefined && before !== undefined) {
    const extra = unknown.slice(before.length + 1).split(' ');
    return refuseExtra(before, extra, `see looms ${before} --help`);
  }
  if (unknown !== undefined) {
    const close = calledElsewhere(unknown) ?? nearest(unknown, commandNames) ?? nearest(words[0] ?? '', commandNames);
    const hint = close === undefined ? 'looms --help lists all commands' : `did you mean "looms ${close}"?`;
    return usage(`there is no command "${unknown}"`, hint);
  }
  const command = commandIn(words);
  const help = command === undefined ? 'see looms --help' : `see looms ${command} --help`;
  const { flags } = parsed;
  if (error.constructor.name === 'NonExistentFlagsError' && flags.length > 0) {
    if (flags[0] === '-f' && knownFlags(parsed).includes('--follow')) {
      const message = 'there is no flag -f here: in all of looms -f names a file';
      return usage(message, 'use -F or --follow to go on with what comes');
    }
    const close = nearest(flags[0] ?? '', knownFlags(parsed));
    return usage(`there is no flag ${listed(flags, 'or')}`, close === undefined ? help : `did you mean ${close}?`);
  }
  const extra = extraArgs(error);
  if (extra.length > 0) return refuseExtra(command, extra, help);
  const lines = error.message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(See more help with|The following errors? occurred|Note: )/.test(line));
  return usage(rephrase(lines), help);
}

/** The command that a command line starts with, the longest that fits. */
const commandIn = (words: readonly string[]): string | undefined =>
  [...commandNames].sort((a, b) => b.length - a.length).find((name) => `${words.join(' ')} `.startsWith(`${name} `));

/** Our names for words of docker, kubectl and terraform that are near to none of ours; suggested, never run. */
const elsewhere: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['rm', 'remove', 'destroy', 'down', 'uninstall'].map((word) => [word, 'delete'])),
  ...Object.fromEntries(['ls', 'list', 'ps', 'status'].map((word) => [word, 'get'])),
  ...Object.fromEntries(['up', 'create', 'deploy', 'run', 'install'].map((word) => [word, 'apply'])),
  ...Object.fromEntries(['inspect', 'show'].map((word) => [word, 'describe'])),
  ...Object.fromEntries(['mcp rm', 'mcp delete', 'mcp remove'].map((words) => [words, 'delete'])),
  ...Object.fromEntries(['mcp ls', 'mcp ps', 'mcp status', 'mcp get'].map((words) => [words, 'mcp list'])),
  exec: 'mcp call',
  'mcp exec': 'mcp call',
  'mcp describe': 'mcp info',
  'config set': 'config set-key',
  'config get': 'config get-key',
  'config list': 'config list-keys',
  'config delete': 'config delete-key',
  secret: 'config list-keys',
  secrets: 'config list-keys',
  'mcp show': 'mcp info',
  undo: 'rollback',
  top: 'stats',
  'force-unlock': 'unlock',
};

/** What a command is called here that has another name in other programs, or stands without its `mcp`. */
function calledElsewhere(typed: string): string | undefined {
  const [first = '', second = ''] = typed.split(' ');
  const known = elsewhere[`${first} ${second}`] ?? elsewhere[first];
  return known ?? commandNames.find((name) => name === `mcp ${first}`);
}

/** Words that the command has no place for. */
const extraArgs = (error: Error): string[] =>
  error.constructor.name === 'UnexpectedArgsError' && 'args' in error && Array.isArray(error.args)
    ? error.args.map(String)
    : [];

function refuseExtra(command: string | undefined, extra: readonly string[], help: string): Failure {
  const [first = ''] = extra;
  // These read files: a name or a file behind them is the most likely mistake.
  if (command === 'apply' || command === 'diff' || command === 'plan') {
    const message = `${command} takes no names, but got ${listed(extra)}`;
    return usage(message, `use --server ${first} for one server, or -f ${first} for a file`);
  }
  if (command === 'validate') {
    return usage(`validate takes no names, but got ${listed(extra)}`, `use -f ${first} for a file`);
  }
  const hint = command === 'token new' ? `use --name ${first}` : help;
  return usage(`unexpected ${extra.length === 1 ? 'argument' : 'arguments'} ${listed(extra)}`, hint);
}

/** oclif's message, which may be several lines with a heading, as one sentence. */
function rephrase(lines: readonly string[]): string {
  const [first = 'the command line is wrong', ...rest] = lines;
  const known = rewordings.flatMap(([pattern, reword]) => {
    const match = pattern.exec(first);
    return match === null ? [] : [reword(match.slice(1))];
  })[0];
  if (known !== undefined) return known;
  const missing = lines.join(', ').match(/(?<=[Mm]issing required flag )\S+?(?=,|$)/g);
  if (missing !== null) return `missing ${listed(missing.map((name) => `--${name.replace(/^--/, '')}`))}`;
  const flag = /^Parsing (--\S+)/.exec(first)?.[1];
  const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
  if (flag !== undefined) return `${flag}: ${lower(rest.join(', ').replace(/ but received: (.*)$/, ', but got "$1"'))}`;
  if (/^Missing \d+ required args?/.test(first)) {
    // What follows the table of arguments is oclif's own advice.
    const table = rest.filter((line) => /\S\s{2,}\S/.test(line));
    return `missing ${listed(table.map((line) => line.split(/\s{2,}/)[0] ?? line))}`;
  }
  return lower([first, ...rest].join(', '));
}

/** oclif's sentences that have none of ours beside them in a table: what it says, and how we say it. */
const rewordings: readonly (readonly [RegExp, (found: readonly string[]) => string])[] = [
  [/^Flag (--?\S+) expects? .*value/, ([flag]) => `${flag} needs a value`],
  [
    /^Expected (--[^=]+)=(.*) to be one of: (.*)$/s,
    ([flag, value, all]) => `${flag} is "${value}", but must be one of ${all}`,
  ],
  [
    /^All of the following must be provided when using (--\S+): (.*)$/,
    ([flag, others]) => `${flag} only works together with ${others}`,
  ],
  [
    /^(--[^=\s]+)(?:=.*)? cannot also be provided when using (--\S+)$/s,
    ([one, other]) => `${other} and ${one} exclude one another`,
  ],
  [/^Flag (--\S+) can only be specified once/, ([flag]) => `${flag} is given twice`],
];

const below = (topic: string, ...names: readonly string[]) => names.map((name) => `${topic} ${name}`);

/** All commands as they are typed, sorted; a test compares this list with the manifest. */
export const commandNames: readonly string[] = [
  ...['apply', 'audit', 'connect', 'dashboard', 'delete', 'describe', 'diff', 'doctor', 'events'],
  ...['export', 'get', 'history', 'init', 'logs', 'plan', 'posture', 'prune', 'rollback'],
  ...['serve', 'stats', 'unlock', 'validate', 'watch'],
  ...below('audit', 'verify'),
  ...below('config', 'delete-key', 'get-key', 'list-keys', 'set-key'),
  ...below('egress', 'suggest', 'watch'),
  ...below('mcp', 'call', 'health', 'info', 'list', 'logs', 'prompt', 'prompts', 'read'),
  ...below('mcp', 'resources', 'restart', 'start', 'stdio', 'stop', 'tools'),
  ...below('policy', 'test'),
  ...below('token', 'list', 'new', 'revoke'),
].sort();
