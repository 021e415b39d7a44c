import { listPrompts } from '../../app/talk/list-prompts.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg, serverName } from '../../cli/command-line/args.ts';
import { gatewayFlags, placeFlags, trustFlags } from '../../cli/flags.ts';
import { renderPrompts } from '../../cli/render/answers/offers.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';
import type { Prompt } from '../../mcp/client/session.ts';

export default class McpPrompts extends BaseCommand {
  static override summary = 'List the prompts of a server';
  static override description =
    'Opens a session to a running server and shows its prompts, each with the arguments that it takes. With --json they ' +
    'are printed as the server sent them.';
  static override examples = [
    { description: 'All prompts', command: 'looms mcp prompts everything' },
    { description: 'As the server sent them', command: 'looms mcp prompts everything --json' },
  ];
  static override args = { server: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...trustFlags, ...gatewayFlags, ...placeFlags };

  async run(): Promise<readonly Prompt[]> {
    const { flags, args } = await this.parse(McpPrompts);
    const { ports, project, terminal } = await this.open(flags);
    const server = serverName(args.server);
    const listed = await cancelOnSignal(this.program, (signal) =>
      listPrompts(ports, { project: project.name, server }, { signal }),
    );
    if (!listed.offered) this.notice(`${server} offers no prompts: it does not have that capability`);
    else if (listed.prompts.length === 0) this.notice(`${server} has no prompts right now`);
    else this.answer(() => renderPrompts(listed, terminal.table));
    return listed.prompts;
  }
}
