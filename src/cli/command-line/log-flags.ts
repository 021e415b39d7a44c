import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { LogRequest } from '../../app/inspect/logs/read-logs.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { parseMoment } from '../../model/values/moment.ts';
import { outputFlag } from '../flags.ts';
import { linePattern } from './line-pattern.ts';

/** Which lines of logs are shown. */
export const logFlags = {
  follow: Flags.boolean({
    char: 'F',
    description: 'go on with what comes, also across restarts and replacements, until Ctrl-C',
    exclusive: ['until'],
  }),
  since: Flags.string({ description: 'only from this moment, or so long ago (10m, 2h30m)', helpValue: 'TIME' }),
  until: Flags.string({ description: 'only up to this moment, or so long ago', helpValue: 'TIME' }),
  tail: Flags.integer({
    char: 'n',
    description: 'begin with the last N lines of each container',
    helpValue: 'N',
    min: 0,
  }),
  grep: Flags.string({
    description: 'of these only lines in which this regular expression is found',
    helpValue: 'PATTERN',
  }),
  stream: Flags.string({ description: 'only what was written to this one', options: ['stdout', 'stderr'] }),
  traces: Flags.option({
    description: 'lines that loom’s trace library wrote (__LOOM_TRACE__): with the others, not at all, or alone',
    options: ['show', 'hide', 'only'] as const,
    default: 'show' as const,
  })(),
  timestamps: Flags.boolean({ char: 't', description: 'put the time of each line before it' }),
  ...outputFlag(['text', 'json'], 'the form of the lines; json is one object a line, as with --json'),
};

/** What the flags ask for; `gone`: also of what is kept of containers that are gone. Throws `usage` for a time or a pattern that is none. */
export function logRequest(
  flags: InferredFlags<typeof logFlags>,
  project: ProjectName,
  servers: readonly ServerName[],
  gone = false,
): LogRequest {
  const { follow, since, until, tail, grep, stream, traces } = flags;
  return {
    project,
    servers,
    follow,
    gone,
    ...(traces === 'show' ? {} : { traces }),
    streams: stream === 'stdout' || stream === 'stderr' ? [stream] : ['stdout', 'stderr'],
    ...(since === undefined ? {} : { since: parseMoment(since, '--since') }),
    ...(until === undefined ? {} : { until: parseMoment(until, '--until') }),
    ...(tail === undefined ? {} : { tail }),
    ...(grep === undefined ? {} : { pattern: linePattern(grep) }),
  };
}
