import { getPrompt } from '../../app/talk/get-prompt.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { remainingArgs, requiredArg, serverName } from '../../cli/command-line/args.ts';
import { argumentFlags, argumentSource, outFlags } from '../../cli/command-line/call-arguments.ts';
import { gatewayFlags, placeFlags, trustFlags } from '../../cli/flags.ts';
import { contentOptions, renderMessages, renderSaved } from '../../cli/render/answers/content.ts';
import { visible } from '../../cli/render/text.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';
import type { PromptResult } from '../../mcp/client/session.ts';

export default class McpPrompt extends BaseCommand {
  static override summary = 'Render a prompt of a server';
  static override description =
    'Opens a session to a running server, checks the arguments against what the prompt says it takes, and shows the ' +
    'messages that it makes, each under the role that speaks. Arguments are texts: key=value, key=@file for a file’s text, ' +
    'or one JSON object. Exits 66 when there is no such prompt.';
  static override examples = [
    { description: 'A prompt without arguments', command: 'looms mcp prompt everything simple-prompt' },
    { description: 'Arguments by name', command: 'looms mcp prompt everything args-prompt city=Paris state=Texas' },
    {
      description: 'The messages as the server sent them',
      command: 'looms mcp prompt everything simple-prompt --json',
    },
  ];
  static override args = {
    server: requiredArg({ description: 'name of the server' }),
    prompt: requiredArg({ description: 'name of the prompt' }),
    arguments: remainingArgs({ description: `key=value, key=@file, or '{json}'` }),
  };
  static override flags = { ...argumentFlags, ...outFlags, ...trustFlags, ...gatewayFlags, ...placeFlags };

  async run(): Promise<PromptResult> {
    const { flags, args } = await this.parse(McpPrompt);
    const { ports, project, terminal } = await this.open(flags);
    const request = {
      project: project.name,
      server: serverName(args.server),
      prompt: args.prompt,
      arguments: argumentSource(flags.args, args.arguments ?? []),
      ...(flags.out === undefined ? {} : { out: flags.out }),
    };
    const { result, messages, saved } = await cancelOnSignal(this.program, (signal) =>
      getPrompt(ports, request, { signal }),
    );
    if (messages.length === 0) this.notice(`prompt ${visible(request.prompt)} of ${request.server} has no messages`);
    else this.pass(() => renderMessages(messages, contentOptions(terminal)));
    for (const file of saved) terminal.notice(renderSaved(file));
    return result;
  }
}
