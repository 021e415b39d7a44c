import { listTools } from '../../app/talk/list-tools.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { optionalArg, requiredArg } from '../../cli/command-line/args.ts';
import { optionalToolWords } from '../../cli/command-line/tool-words.ts';
import { gatewayFlags, placeFlags, sessionFlags, trustFlags } from '../../cli/flags.ts';
import { renderTool, renderTools } from '../../cli/render/answers/tool.ts';
import { renderNotice } from '../../cli/render/error.ts';
import { sessionNotices } from '../../cli/run/call-session.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';
import type { Tool } from '../../mcp/client/session.ts';
import { LoomsError } from '../../model/errors.ts';

export default class McpTools extends BaseCommand {
  static override summary = 'List the tools of a server';
  static override description =
    'Opens a session to a running server and shows its tools, one line each, or one tool in full: what it does, ' +
    'what it takes and gives, and a call to copy. Tools that the spec filters out do not show. With --json the tools are printed as the server sent them, schemas included.';
  static override examples = [
    { description: 'All tools', command: 'looms mcp tools fs' },
    { description: 'One, in full', command: 'looms mcp tools fs read_text_file' },
    { description: 'The schema of one', command: 'looms mcp tools fs.read_text_file --json' },
  ];
  static override args = {
    server: requiredArg({ description: 'name of the server, or SERVER.TOOL' }),
    tool: optionalArg({ description: 'only this tool, in full' }),
  };
  static override flags = { ...sessionFlags, ...trustFlags, ...gatewayFlags, ...placeFlags };

  async run(): Promise<readonly Tool[]> {
    const { flags, args } = await this.parse(McpTools);
    const { ports, project, terminal } = await this.open(flags);
    const { server, tool, rest } = optionalToolWords([args.server, ...(args.tool === undefined ? [] : [args.tool])]);
    if (rest.length > 0) throw new LoomsError('usage', `unexpected argument ${rest[0]}`, { hint: 'name one tool' });
    const request = { project: project.name, server, ...(tool === undefined ? {} : { tool }) };
    const notices = sessionNotices(server, flags, terminal);
    const listed = await cancelOnSignal(this.program, (signal) => listTools(ports, request, { ...notices, signal }));
    for (const name of listed.unknownFilterNames) {
      const message = `the filter names ${name}, which the server does not have`;
      terminal.notice(renderNotice('warning', { code: 'unknown-filter-name', message }, terminal.noticePalette));
    }
    if (listed.details !== undefined) this.answer(() => renderTool(listed, terminal));
    else if (listed.tools.length === 0) this.notice(`${server} has no tools that its spec lets through`);
    else this.answer(() => renderTools(listed, terminal.table));
    return listed.tools;
  }
}
