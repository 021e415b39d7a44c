import * as Flags from '@oclif/core/flags';
import { type CallWarning, callTool } from '../../app/call-tool.ts';
import { remainingArgs, requiredArg } from '../../cli/args.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { exitCode } from '../../cli/exit-codes.ts';
import { engineFlags, projectFlags } from '../../cli/flags.ts';
import { serverName } from '../../cli/plan-request.ts';
import { renderWarning } from '../../cli/render/error.ts';
import { visible } from '../../cli/render/text.ts';
import { cancelOnSignal } from '../../cli/signals.ts';
import type { CallResult } from '../../mcp/session.ts';
import { LoomsError } from '../../model/errors.ts';

export default class McpCall extends BaseCommand {
  static override summary = 'Call a tool of a server';
  static override description =
    'Opens a session to a running server, checks the arguments against the tool’s schema, calls it, and prints the text ' +
    'of its answer. Arguments are one JSON object, or key=value pairs typed by the schema (key:=json for JSON, key=@file ' +
    'for a file’s text). Exits 5 when the tool answers with an error. Ctrl-C cancels the call.';
  static override examples = [
    {
      description: 'Arguments by name',
      command: '<%= config.bin %> mcp call fs read_text_file path=/data/README.md head=5',
    },
    { description: 'Arguments as JSON', command: `<%= config.bin %> mcp call everything get-sum '{"a": 2, "b": 3}'` },
    {
      description: 'The result as the server sent it',
      command: '<%= config.bin %> mcp call fs list_allowed_directories --json',
    },
  ];
  static override args = {
    server: requiredArg({ description: 'name of the server' }),
    tool: requiredArg({ description: 'name of the tool' }),
    arguments: remainingArgs({ description: `'{json}', or key=value, key:=json, key=@file` }),
  };
  static override flags = {
    args: Flags.string({
      description: 'a file with the arguments as a JSON object; - is standard input',
      helpValue: 'FILE',
    }),
    'audit-arguments': Flags.boolean({
      description: 'keep the arguments in the audit trail, secrets masked, and not only their size and keyed hash',
    }),
    ...projectFlags,
    ...engineFlags,
  };

  async run(): Promise<CallResult> {
    const { flags, args } = await this.parse(McpCall);
    const { ports, project, terminal } = await this.open(flags);
    const words = args.arguments ?? [];
    if (flags.args !== undefined && words.length > 0) {
      throw new LoomsError('usage', '--args and arguments on the command line exclude one another', {
        hint: 'give the file, or the arguments',
      });
    }
    const request = {
      project: project.name,
      server: serverName(args.server),
      tool: args.tool,
      arguments: chooseArguments(flags.args, words),
      auditArguments: flags['audit-arguments'],
    };
    const onWarning = (warning: CallWarning) => terminal.notice(renderWarning(warning, terminal.noticePalette));
    const { result, text } = await cancelOnSignal((signal) => callTool(ports, request, { signal, onWarning }));
    // A program that reads the answer gets it as it is; a terminal must not be steered by it.
    this.answer(() => (terminal.answerIsTerminal ? visible(text) : text));
    if (result.isError === true) process.exitCode = exitCode.toolError;
    return result;
  }
}

function chooseArguments(file: string | undefined, words: readonly string[]) {
  if (file !== undefined) return { kind: 'file', path: file } as const;
  return words.length === 1 && words[0] === '-'
    ? ({ kind: 'file', path: '-' } as const)
    : ({ kind: 'words', words } as const);
}
