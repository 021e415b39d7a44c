import { once } from 'node:events';
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { AuditRequest, ChangesRequest } from '../../app/inspect/read-audit.ts';
import { isInTrail, readAudit, readChanges, type SeenCall, type SeenChange } from '../../app/inspect/read-audit.ts';
import type { Ports } from '../../app/ports.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { outputFlag, projectFlags } from '../../cli/flags.ts';
import type { ProjectChoice } from '../../cli/project/project.ts';
import { renderCalls, renderChanges } from '../../cli/render/audit.ts';
import { listed, visible } from '../../cli/render/text.ts';
import { LoomsError } from '../../model/errors.ts';
import { seenChangeResults, seenResults } from '../../model/trail/audit.ts';
import { defined } from '../../model/values/defined.ts';
import { isoMoment, parseMoment } from '../../model/values/moment.ts';
import { seenJson } from '../../model/values/unseen.ts';

/** Calls a table shows unless `--tail` says more: about what fits a screen or two. */
const shownInTable = 50;
/** Calls under one header of a long table: its widths are known only when all of them are. */
const callsPerTable = 1000;

export default class Audit extends BaseCommand {
  static override summary = 'Show the tool calls and changes that were made from this machine';
  static override description =
    'Shows who called which tool when, and with which result, newest last; with --kind change who changed which server ' +
    'from which commit. The trail is local: it has what was done from this machine by this user. Without a project being named, those of all projects show. With --json it prints ' +
    'all calls, one JSON object a line; the table has the last 50.';
  static override examples = [
    { description: 'The last calls', command: 'looms audit' },
    {
      description: 'What went wrong today at one server',
      command: 'looms audit --server fs --since 24h --result tool-error --result timeout',
    },
    { description: 'Who changed what, from which commit', command: 'looms audit --kind change' },
    { description: 'Everything, for another program', command: 'looms audit --json > calls.jsonl' },
  ];
  static override flags = {
    kind: Flags.option({
      description: 'what is shown: calls of tools, or what was changed (apply, delete, start, config and the like)',
      options: ['call', 'change'] as const,
      default: 'call' as const,
    })(),
    server: Flags.string({ multiple: true, description: 'only calls of this server; repeatable', helpValue: 'NAME' }),
    tool: Flags.string({ multiple: true, description: 'only calls of this tool; repeatable', helpValue: 'NAME' }),
    result: Flags.string({
      multiple: true,
      description: 'only calls that ended so; repeatable',
      options: [...new Set([...seenResults, ...seenChangeResults])],
    }),
    who: Flags.string({
      multiple: true,
      description: 'only calls of this user, or user@host; repeatable',
      helpValue: 'USER',
    }),
    since: Flags.string({
      description: 'from then on: 30m, 1h30m, 2d ago, or 2026-11-21T08:00:00Z',
      helpValue: 'WHEN',
    }),
    until: Flags.string({ description: 'before then, said in the same ways', helpValue: 'WHEN' }),
    tail: Flags.integer({
      description: 'only the last N calls, or runs with --kind change; 0: all',
      helpValue: 'N',
      min: 0,
    }),
    'all-projects': Flags.boolean({
      description: 'calls of all projects, also where looms.yaml names one',
      exclusive: ['project'],
    }),
    ...outputFlag(['table', 'json'], 'the form of the list; json is one object a line'),
    ...projectFlags,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Audit);
    const { ports, project, terminal, redact } = await this.open(flags);
    const asJson = flags.output === 'json' || this.jsonEnabled();
    const last = flags.tail ?? (asJson ? 0 : shownInTable);
    const bound = last === 0 ? {} : { last };
    const counter = { calls: 0 };
    if (flags.kind === 'change') {
      const request = changesRequest(flags, project, ports.now());
      const changes = readChanges(ports, { ...request, ...bound });
      const render = (some: readonly SeenChange[]) =>
        renderChanges(some, { withProject: request.project === undefined, ...terminal.table });
      await writeLines(asJson ? jsonLines(changes, redact, counter) : tables(changes, render, counter));
    } else {
      const request = auditRequest(flags, project, ports.now());
      const calls = readAudit(ports, { ...request, ...bound });
      const render = (some: readonly SeenCall[]) =>
        renderCalls(some, { withProject: request.project === undefined, ...terminal.table });
      await writeLines(asJson ? jsonLines(calls, redact, counter) : tables(calls, render, counter));
    }
    if (counter.calls === 0) {
      const unheard = await unheardText(flags, ports);
      // For a program an empty answer says it all, unless the name may be wrong.
      if (!asJson || unheard !== '') terminal.notice(`No ${flags.kind} is recorded that fits.${unheard}`);
    } else if (!asJson && flags.tail === undefined && counter.calls === last) {
      terminal.notice(`These are the last ${last}; --tail 0 shows all.`);
    }
  }

  /** The lines are printed already. */
  override logJson(): void {}
}

async function* jsonLines(
  records: AsyncIterable<object>,
  redact: (text: string) => string,
  counter: { calls: number },
): AsyncGenerator<string> {
  for await (const record of records) {
    counter.calls++;
    yield seenJson(redact(JSON.stringify(record)));
  }
}

/** What is said of servers that the trail never heard of, whose names may be wrong; '' for none. */
async function unheardText({ server = [] }: AuditFlags, ports: Ports): Promise<string> {
  const unheard: string[] = [];
  for (const name of server) if (!(await isInTrail(ports, name))) unheard.push(visible(name));
  if (unheard.length === 0) return '';
  return ` This machine has nothing at all of ${listed(unheard, 'or')}; \`looms get --all-projects\` shows what servers there are.`;
}

async function* tables<T>(
  records: AsyncIterable<T>,
  render: (some: readonly T[]) => string,
  counter: { calls: number },
): AsyncGenerator<string> {
  let some: T[] = [];
  for await (const record of records) {
    counter.calls++;
    some.push(record);
    if (some.length < callsPerTable) continue;
    yield render(some);
    some = [];
  }
  if (some.length > 0) yield render(some);
}

type AuditFlags = Partial<InferredFlags<typeof Audit.flags>>;

/** What the flags of `audit` ask for; a project only where one was named. `now` in ms since 1970. Throws `usage`. */
export function auditRequest(flags: AuditFlags, project: ProjectChoice, now: number): AuditRequest {
  const { tool, result } = flags;
  return {
    ...sharedRequest(flags, project, now),
    ...defined({ tools: tool }),
    ...(result === undefined ? {} : { results: chosenResults(result, seenResults, 'call') }),
  };
}

/** What the flags of `audit --kind change` ask for. Throws `usage`. */
function changesRequest(flags: AuditFlags, project: ProjectChoice, now: number): ChangesRequest {
  const { tool, result } = flags;
  if (tool !== undefined) {
    throw new LoomsError('usage', '--tool does not go with --kind change: a change has no tool', {
      hint: 'name servers with --server',
    });
  }
  return {
    ...sharedRequest(flags, project, now),
    ...(result === undefined ? {} : { results: chosenResults(result, seenChangeResults, 'change') }),
  };
}

function chosenResults<T extends string>(wanted: readonly string[], all: readonly T[], kind: string): readonly T[] {
  const other = wanted.find((one) => !all.some((known) => known === one));
  if (other === undefined) return all.filter((one) => wanted.includes(one));
  throw new LoomsError('usage', `--result: no ${kind} ends as ${other}`, { hint: `one of ${all.join(', ')}` });
}

function sharedRequest(flags: AuditFlags, project: ProjectChoice, now: number) {
  const { server, who, since, until } = flags;
  return {
    ...(project.explicit && flags['all-projects'] !== true ? { project: project.name } : {}),
    ...defined({ servers: server, who }),
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
