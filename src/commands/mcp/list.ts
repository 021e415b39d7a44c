import * as Flags from '@oclif/core/flags';
import { listMcpServers, type McpServer } from '../../app/inspect/list-mcp-servers.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { placeFlags } from '../../cli/flags.ts';
import { renderMcpServers } from '../../cli/render/servers/mcp-servers.ts';

export default class McpList extends BaseCommand {
  static override summary = 'List the MCP servers';
  static override description =
    'Shows servers as their clients see them: state, what the last look of this machine found (a gate or `mcp health`) ' +
    'with the number of tools, and the calls that this machine made. Asks no server; `looms get` shows their containers.';
  static override examples = [
    { description: 'Those of the project', command: 'looms mcp list' },
    { description: 'Those of all projects on the engine', command: 'looms mcp list --all-projects' },
  ];
  static override flags = {
    'all-projects': Flags.boolean({
      char: 'A',
      description: 'the servers of all projects on the engine',
      exclusive: ['project'],
    }),
    ...placeFlags,
  };

  async run(): Promise<readonly McpServer[]> {
    const { flags } = await this.parse(McpList);
    const { ports, project, terminal } = await this.open(flags);
    const all = flags['all-projects'];
    const { servers, notices } = await listMcpServers(ports, all ? { allProjects: true } : { project: project.name });
    for (const notice of notices) terminal.note(notice);
    const { palette, width } = terminal.table;
    if (servers.length > 0) this.answer(() => renderMcpServers(servers, all, ports.now(), palette, width));
    else this.notice(`No server ${all ? 'on this engine' : `in project ${project.name}`}.`);
    return servers;
  }
}
