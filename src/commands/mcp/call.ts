import * as Flags from '@oclif/core/flags';
import { callTool } from '../../app/talk/call-tool.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { remainingArgs, requiredArg } from '../../cli/command-line/args.ts';
import { argumentFlags, argumentSource, outFlags } from '../../cli/command-line/call-arguments.ts';
import { toolWords } from '../../cli/command-line/tool-words.ts';
import { exitCode } from '../../cli/exit-codes.ts';
import { answerFlags, gatewayFlags, placeFlags, sessionFlags, trustFlags } from '../../cli/flags.ts';
import { contentOptions, renderParts, renderSaved } from '../../cli/render/answers/content.ts';
import { renderWarning } from '../../cli/render/error.ts';
import { visible } from '../../cli/render/text.ts';
import { openCallSession } from '../../cli/run/call-session.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';
import type { CallResult } from '../../mcp/client/session.ts';
import type { Notice } from '../../model/notices.ts';

export default class McpCall extends BaseCommand {
  static override summary = 'Call a tool of a server';
  static override description =
    'Opens a session to a running server, checks the arguments against the tool’s schema, calls it, and prints the text ' +
    'of its answer. Arguments are one JSON object, or key=value pairs typed by the schema (key:=json for JSON, key=@file ' +
    'for a file’s text). Images, audio and embedded resources go to the folder of --out. Exits 5 when the tool answers ' +
    'with an error. Ctrl-C cancels the call. What the server asks meanwhile is asked on the terminal, unless --answer ' +
    'gives it; --verbose shows its log.';
  static override usage = 'mcp call SERVER TOOL [ARGUMENTS...]';
  static override examples = [
    { description: 'Arguments by name', command: 'looms mcp call fs read_text_file path=/data/README.md head=5' },
    { description: 'Server and tool as one word', command: 'looms mcp call everything.get-sum a=2 b=3' },
    { description: 'Keep the images of an answer', command: 'looms mcp call everything get-tiny-image --out pictures' },
    { description: 'Arguments as JSON', command: `looms mcp call everything get-sum '{"a": 2, "b": 3}'` },
    { description: 'The result as the server sent it', command: 'looms mcp call fs list_allowed_directories --json' },
    {
      description: 'With the answer to a question that the server asks',
      command: 'looms mcp call shop buy item=42 --answer confirm=yes',
    },
  ];
  static override args = {
    server: requiredArg({ description: 'name of the server, or SERVER.TOOL' }),
    words: remainingArgs({ description: `name of the tool, then '{json}', or key=value, key:=json, key=@file` }),
  };
  static override flags = {
    ...argumentFlags,
    ...outFlags,
    'audit-arguments': Flags.boolean({
      description: 'keep the arguments in the audit trail, secrets masked, and not only their size and keyed hash',
    }),
    ...answerFlags,
    ...sessionFlags,
    ...trustFlags,
    ...gatewayFlags,
    ...placeFlags,
  };

  async run(): Promise<CallResult> {
    const { flags, args } = await this.parse(McpCall);
    const { ports, policies, project, terminal } = await this.open(flags);
    const { server, tool, rest } = toolWords([args.server, ...(args.words ?? [])], 'looms mcp call');
    const request = {
      project: project.name,
      policies,
      server,
      tool,
      arguments: argumentSource(flags.args, rest),
      ...(flags.out === undefined ? {} : { out: flags.out }),
      auditArguments: flags['audit-arguments'],
    };
    const call = openCallSession(
      { server, tool, answers: flags.answer ?? [], json: this.jsonEnabled() },
      flags,
      { terminal, program: this.program },
      ports.monotonicMs,
    );
    const onWarning = (warning: Notice) => call.notice(renderWarning(warning, terminal.noticePalette));
    const { result, parts, saved, hint } = await cancelOnSignal(this.program, (signal) =>
      callTool(ports, request, { ...call.options, signal, onWarning }),
    ).finally(call.finish);
    // What was written to files alone leaves nothing to say here.
    if (parts.length > 0 || saved.length === 0) this.pass(() => renderParts(parts, contentOptions(terminal)));
    for (const file of saved) terminal.notice(renderSaved(file));
    if (hint !== undefined) terminal.notice(`${terminal.noticePalette.note('hint')}: ${visible(hint)}`);
    if (result.isError === true) this.program.setExitCode(exitCode.toolError);
    return result;
  }
}
