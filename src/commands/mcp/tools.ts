import { listTools } from '../../app/list-tools.ts';
import { optionalArg, requiredArg } from '../../cli/args.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { engineFlags, projectFlags } from '../../cli/flags.ts';
import { serverName } from '../../cli/plan-request.ts';
import { renderTools } from '../../cli/render/tools.ts';
import { cancelOnSignal } from '../../cli/signals.ts';
import type { Tool } from '../../mcp/session.ts';

export default class McpTools extends BaseCommand {
  static override summary = 'List the tools of a server';
  static override description =
    'Opens a session to a running server and shows its tools, one line each. Tools that the spec filters out do not ' +
    'show. With --json the tools are printed as the server sent them, schemas included.';
  static override examples = [
    { description: 'All tools', command: '<%= config.bin %> mcp tools fs' },
    { description: 'The schema of one', command: '<%= config.bin %> mcp tools fs read_text_file --json' },
  ];
  static override args = {
    server: requiredArg({ description: 'name of the server' }),
    tool: optionalArg({ description: 'only this tool, in full' }),
  };
  static override flags = { ...projectFlags, ...engineFlags };

  async run(): Promise<readonly Tool[]> {
    const { flags, args } = await this.parse(McpTools);
    const { ports, project, terminal } = await this.open(flags);
    const request = {
      project: project.name,
      server: serverName(args.server),
      ...(args.tool === undefined ? {} : { tool: args.tool }),
    };
    const listed = await cancelOnSignal((signal) => listTools(ports, request, { signal }));
    for (const name of listed.unknownFilterNames) {
      terminal.notice(
        `${terminal.noticePalette.warning('warning[unknown-filter-name]')}: the filter names ${name}, which the server does not have`,
      );
    }
    this.answer(() =>
      renderTools(listed, { palette: terminal.palette, width: terminal.width, full: args.tool !== undefined }),
    );
    return listed.tools;
  }
}
