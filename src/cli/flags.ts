import { CLIError } from '@oclif/core/errors';
import * as Flags from '@oclif/core/flags';
import { duration } from '../model/times.ts';
import { parseSeconds } from '../model/values/moment.ts';
import { reportFormats } from './command-line/output-format.ts';

type Relationships = NonNullable<NonNullable<Parameters<typeof Flags.boolean>[0]>['relationships']>;

/** Flags without which one means nothing. Not said as `dependsOn`, which would glue them together in the usage line. */
export const needs = (...flags: string[]): Relationships => [{ type: 'all', flags }];

/** A flag that takes how long, `least` seconds or more, and gives it in seconds. */
export const durationFlag = (least: number) =>
  Flags.custom<number>({
    helpValue: 'DURATION',
    parse: async (text) => {
      const value = parseSeconds(text);
      if (value !== undefined && value >= least) return value;
      // In the words of oclif's own flags, which `usageFailure` puts into a sentence.
      const atLeast = least === 0 ? '' : ` of at least ${duration(least * 1000)}`;
      throw new CLIError(`Expected a duration${atLeast} such as 90s, 5m or 1h30m but received: ${text}`);
    },
  });

/** Flags of every command. */
export const commonFlags = {
  json: Flags.boolean({ description: 'print the result as JSON', helpGroup: 'GLOBAL' }),
  'no-color': Flags.boolean({ description: 'print without colours (NO_COLOR does the same)', helpGroup: 'GLOBAL' }),
  verbose: Flags.boolean({
    description: 'print more: every step of a plan, the causes of an error',
    helpGroup: 'GLOBAL',
  }),
};

/** Which project a command is about. */
export const projectFlags = {
  project: Flags.string({
    description: 'the project: default is LOOMS_PROJECT, then looms.yaml, then "default"',
    helpValue: 'NAME',
  }),
};

/** Which engine a command talks to. */
export const engineFlags = {
  host: Flags.string({
    description: 'the Docker Engine, e.g. unix:///var/run/docker.sock or ssh://user@machine',
    helpValue: 'URL',
  }),
  context: Flags.string({
    description:
      'the context that names the engine: of Docker or of kubeconfig; docker:NAME and kubernetes:NAME say which',
    helpValue: 'NAME',
  }),
};

/** For commands that work on a project of an engine. */
export const placeFlags = { ...projectFlags, ...engineFlags };

/** How a command that talks to a server goes about it. */
export const sessionFlags = {
  protocol: Flags.option({
    options: ['auto', 'legacy', '2026-07-28'] as const,
    description: 'the protocol to speak instead of the spec’s; auto finds it out and remembers it',
  })(),
};

/** Which store of this machine `looms config` works on. */
export const storeFlag = (description: string) => ({
  store: Flags.option({ options: ['file', 'keyring'] as const, description })(),
});

/** For commands that `looms serve` can do with the sessions that it holds. */
export const gatewayFlags = {
  direct: Flags.boolean({
    description: 'open a session of its own, also where `looms serve` runs for the project',
  }),
};

/** For commands that hand secrets to servers. */
export const trustFlags = {
  'trust-record': Flags.boolean({
    description: 'accept the record of a server that this machine did not make, and remember that',
  }),
};

/** Answers to what a server asks meanwhile. */
export const answerFlags = {
  answer: Flags.string({
    multiple: true,
    // Else it takes the arguments of the tool that stand behind it, and the tool is called without them.
    multipleNonGreedy: true,
    description: 'an answer to a question of the server, by the name of its field; repeatable',
    helpValue: 'KEY=VALUE',
  }),
};

/** Which specs a command reads. */
export const specFlags = {
  file: Flags.string({
    char: 'f',
    multiple: true,
    description:
      'spec files, folders, globs, or - for standard input: default is the specs of looms.yaml, then mcp.yaml',
    helpValue: 'PATH',
  }),
  strict: Flags.boolean({ description: 'treat warnings about credentials as errors' }),
};

/** In which form a command prints what it found; the first one where none is named. */
export const outputFlag = <const T extends readonly [string, ...string[]]>(options: T, description: string) => ({
  output: Flags.option({ char: 'o', description, options, default: options[0], exclusive: ['json'] })(),
});

/** In which form a command reports what it found, and where to. */
export const reportFlags = {
  ...outputFlag(reportFormats, 'the form of the report'),
  'output-file': Flags.string({
    description: 'write that form to this file, and text to the terminal',
    helpValue: 'FILE',
  }),
};

/** What a command leaves behind of the generations that it replaces. */
export const historyFlags = {
  keep: Flags.integer({
    description: 'how many past generations of a server are kept to go back to: default is that of looms.yaml, then 3',
    helpValue: 'N',
    min: 0,
    max: 100,
  }),
};

/** Which number of them it is: the flag's, else the project file's, else the default. */
export const keepOf = (
  flags: { readonly keep?: number | undefined },
  context: { readonly keep: number | undefined },
): number | undefined => flags.keep ?? context.keep;

/** How a command that changes the engine goes about it. */
export const applyFlags = {
  yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  'dry-run': Flags.boolean({ description: 'show the plan and stop' }),
  parallelism: Flags.integer({
    description: 'how many engine calls may run at a time: default is four for each processor of the engine, up to 16',
    helpValue: 'N',
    min: 1,
    max: 64,
  }),
  timeout: durationFlag(1)({ description: 'give up after this long, e.g. 90 (seconds), 5m, 1h30m' }),
  'lock-timeout': durationFlag(0)({
    description: 'how long to wait for another apply of this project',
    default: 0,
  }),
  grace: durationFlag(0)({
    description: 'how long running calls may take to end after Ctrl-C',
    default: 30,
  }),
};
