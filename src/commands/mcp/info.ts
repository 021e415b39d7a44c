import { type ServerInfo, serverInfo } from '../../app/inspect/server-info.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg, serverName } from '../../cli/command-line/args.ts';
import { placeFlags } from '../../cli/flags.ts';
import { renderServerInfo } from '../../cli/render/servers/server-info.ts';

export default class McpInfo extends BaseCommand {
  static override summary = 'Show how a server runs';
  static override description =
    'Container and generation, image and digest, when it was made and started, restarts, calls, what is left until it is ' +
    'rotated, its health as this machine last found it and since when, limits, network and source. Asks the engine only; ' +
    '`looms mcp health` asks the server.';
  static override examples = [
    { description: 'One server', command: 'looms mcp info fs' },
    { description: 'Calls until its rotation, for a script', command: 'looms mcp info fs --json' },
  ];
  static override args = { server: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...placeFlags };

  async run(): Promise<ServerInfo> {
    const { flags, args } = await this.parse(McpInfo);
    const { ports, project, terminal } = await this.open(flags);
    const { info, notices } = await serverInfo(ports, { project: project.name, name: serverName(args.server) });
    for (const notice of notices) terminal.note(notice);
    this.answer(() => renderServerInfo(info, ports.now(), terminal.palette));
    return info;
  }
}
