import { once } from 'node:events';
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import { readAudit, readChanges } from '../../app/inspect/read-audit.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { projectFlags } from '../../cli/flags.ts';
import { isoMoment, parseMoment } from '../../cli/moment.ts';
import type { ProjectChoice } from '../../cli/project.ts';
import { renderCalls, renderChanges } from '../../cli/render/audit.ts';
import { type AuditQuery, seenChangeResults, seenResults } from '../../model/audit.ts';
import { defined } from '../../model/defined.ts';
import { LoomsError } from '../../model/errors.ts';
import { seenJson } from '../../model/unseen.ts';

/** Calls a table shows unless `--tail` says more: about what fits a screen or two. */
const shownInTable = 50;
/** Records under one header of a long table: its widths are known only when all of them are. */
const recordsPerTable = 1000;

export default class Audit extends BaseCommand {
  static override summary = 'Show the tool calls and the changes that were made from this machine';
  static override description =
    'Shows who called which tool when, and with which result, newest last; with --kind change who changed what, from which ' +
    'commit, and why a gate failed, also of servers that are gone. The trail is local: it has what this user did from ' +
    'this machine. Without a project being named, that of all projects shows. With --json it prints all of it, one JSON ' +
    'object a line; the table has the last 50.';
  static override examples = [
    { description: 'The last calls', command: 'looms audit' },
    {
      description: 'What went wrong today at one server',
      command: 'looms audit --server fs --since 24h --result tool-error --result timeout',
    },
    { description: 'Who changed what this week', command: 'looms audit --kind change --since 1w' },
    { description: 'Everything, for another program', command: 'looms audit --json > calls.jsonl' },
  ];
  static override flags = {
    kind: Flags.option({
      options: ['call', 'change'] as const,
      description: 'what is shown: tool calls, or changes of servers, secrets and locks',
      default: 'call',
    })(),
    server: Flags.string({ multiple: true, description: 'only those of this server; repeatable', helpValue: 'NAME' }),
    tool: Flags.string({ multiple: true, description: 'only calls of this tool; repeatable', helpValue: 'NAME' }),
    result: Flags.string({
      multiple: true,
      description: 'only those that ended so; repeatable',
      options: [...new Set([...seenResults, ...seenChangeResults])],
    }),
    who: Flags.string({
      multiple: true,
      description: 'only those of this user, or user@host; repeatable',
      helpValue: 'USER',
    }),
    since: Flags.string({
      description: 'from then on: 30m, 1h30m, 2d ago, or 2026-11-21T08:00:00Z',
      helpValue: 'WHEN',
    }),
    until: Flags.string({ description: 'before then, said in the same ways', helpValue: 'WHEN' }),
    tail: Flags.integer({ description: 'only the last N; 0: all', helpValue: 'N', min: 0 }),
    'all-projects': Flags.boolean({
      description: 'those of all projects, also where looms.yaml names one',
      exclusive: ['project'],
    }),
    output: Flags.string({
      char: 'o',
      description: 'the form of the list; json is one object a line',
      options: ['table', 'json'],
      default: 'table',
      exclusive: ['json'],
    }),
    ...projectFlags,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Audit);
    const { ports, project, terminal, redact } = await this.open(flags);
    const asJson = flags.output === 'json' || this.jsonEnabled();
    const last = flags.tail ?? (asJson ? 0 : shownInTable);
    const query = auditRequest(flags, project, ports.now());
    const request = { ...query, ...(last === 0 ? {} : { last }) };
    const withProject = request.project === undefined;
    const counter = { records: 0 };
    const show = <T>(records: AsyncIterable<T>, table: (some: readonly T[]) => string): Promise<void> =>
      writeLines(asJson ? jsonLines(records, redact) : tables(records, table, counter));
    if (flags.kind === 'call') {
      const calls = readAudit(ports, { ...request, ...defined({ results: resultsFor(flags, seenResults) }) });
      await show(calls, (some) => renderCalls(some, withProject, terminal.palette));
    } else {
      if (flags.tool !== undefined) throw new LoomsError('usage', '--tool is of calls, and a change has none');
      const changes = readChanges(ports, { ...request, ...defined({ results: resultsFor(flags, seenChangeResults) }) });
      await show(changes, (some) => renderChanges(some, withProject, terminal.palette));
    }
    if (asJson) return;
    if (counter.records === 0) terminal.notice(`No ${flags.kind} is recorded that fits.`);
    else if (flags.tail === undefined && counter.records === last) {
      terminal.notice(`These are the last ${last}; --tail 0 shows all.`);
    }
  }

  /** The lines are printed already. */
  override logJson(): void {}
}

async function* jsonLines(records: AsyncIterable<unknown>, redact: (text: string) => string): AsyncGenerator<string> {
  for await (const record of records) yield seenJson(redact(JSON.stringify(record)));
}

async function* tables<T>(
  records: AsyncIterable<T>,
  render: (some: readonly T[]) => string,
  counter: { records: number },
): AsyncGenerator<string> {
  let some: T[] = [];
  for await (const record of records) {
    counter.records++;
    some.push(record);
    if (some.length < recordsPerTable) continue;
    yield render(some);
    some = [];
  }
  if (some.length > 0) yield render(some);
}

/** The results that are wanted, of those that a record of this kind can have. Throws `usage` for another one. */
function resultsFor<Result extends string>(
  { result, kind }: { readonly result?: readonly string[] | undefined; readonly kind: string },
  possible: readonly Result[],
): readonly Result[] | undefined {
  const other = result?.find((one) => !possible.some((name) => name === one));
  if (other !== undefined) throw new LoomsError('usage', `no ${kind} ends as ${other}: ${possible.join(', ')}`);
  return result === undefined ? undefined : possible.filter((one) => result.includes(one));
}

/** What the flags of `audit` ask for; a project only where one was named. `now` in ms since 1970. Throws `usage`. */
export function auditRequest(
  flags: Partial<InferredFlags<typeof Audit.flags>>,
  project: ProjectChoice,
  now: number,
): AuditQuery {
  const { server, tool, who, since, until } = flags;
  return {
    ...(project.explicit && flags['all-projects'] !== true ? { project: project.name } : {}),
    ...defined({ servers: server, tools: tool, who }),
    ...(since === undefined ? {} : { since: isoMoment(parseMoment(since, '--since'), now) }),
    ...(until === undefined ? {} : { until: isoMoment(parseMoment(until, '--until'), now) }),
  };
}

/** Characters that are gathered before they are written: a write for each line took five times as long. */
const chunkLength = 64 * 1024;

/** Writes lines to stdout, as fast as they are read; ends without an error when the reader has gone. */
export async function writeLines(lines: AsyncIterable<string>): Promise<void> {
  const { stdout } = process;
  const gone = new AbortController();
  // Stays: the error of a chunk that is under way comes after the last one was written.
  stdout.on('error', () => gone.abort());
  const write = async (text: string): Promise<void> => {
    if (text === '' || stdout.write(text)) return;
    await once(stdout, 'drain', { signal: gone.signal }).catch((error: unknown) => {
      if (!gone.signal.aborted) throw error;
    });
  };
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < chunkLength) continue;
    await write(chunk);
    if (gone.signal.aborted) return;
    chunk = '';
  }
  await write(chunk);
}
