import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { optionalArg, serverName } from '../../cli/command-line/args.ts';
import { placeFlags, trustFlags } from '../../cli/flags.ts';
import { visible } from '../../cli/render/text.ts';
import { untilSignal } from '../../cli/terminal/signals.ts';
import { LoomsError } from '../../model/errors.ts';

export default class McpStdio extends BaseCommand {
  static override summary = 'Serve one client over standard input and output';
  static override description =
    'For clients that start MCP servers as commands: a server that runs, or with --all every one of the project, with ' +
    'tool filter, secrets, time limit and audit trail as with looms serve, which need not run. Goes over to a new container ' +
    'when apply replaces the server, and ends when its input does.';
  static override examples = [
    { description: 'What a client starts', command: 'looms mcp stdio fs --project team-a' },
    { description: 'All servers, tools called server__tool', command: 'looms mcp stdio --all' },
  ];
  static override args = { server: optionalArg({ description: 'name of the server' }) };
  static override flags = {
    all: Flags.boolean({ description: 'all servers of the project as one' }),
    ...placeFlags,
    ...trustFlags,
  };

  async run(): Promise<void> {
    const { flags, args } = await this.parse(McpStdio);
    if ((args.server === undefined) !== (flags.all === true)) {
      throw new LoomsError('usage', 'looms mcp stdio takes the name of a server, or --all');
    }
    const { serveStdio, project, terminal } = await this.open(flags);
    const server = args.server === undefined ? undefined : serverName(args.server);
    const log = (text: string) => terminal.notice(`note: ${visible(text)}`);
    await untilSignal((signal) => serveStdio(project.name, { server, signal, log }));
  }
}
