import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArgs, serverName } from '../../cli/command-line/args.ts';
import { logFlags, logRequest } from '../../cli/command-line/log-flags.ts';
import { placeFlags } from '../../cli/flags.ts';
import { streamLogs } from '../../cli/run/stream-logs.ts';

export default class McpLogs extends BaseCommand {
  static override summary = 'Show the logs of servers';
  static override description =
    'Shows what servers wrote, merged by time: of a stdio server the stderr of all its sessions, of an HTTP server both ' +
    'streams. With --follow (-F) it goes on, also when a container is replaced by a new one, until Ctrl-C (exit 130).';
  static override examples = [
    { description: 'The last lines of one', command: 'looms mcp logs fs --tail 20' },
    { description: 'Two as they write', command: 'looms mcp logs fs memory -F --since 10m' },
    {
      description: 'Errors of today, for a program',
      command: 'looms mcp logs fs --since 24h --grep "[Ee]rror" --json',
    },
  ];
  static override args = { servers: requiredArgs({ description: 'names of the servers' }) };
  static override flags = { ...logFlags, ...placeFlags };

  async run(): Promise<void> {
    const { flags, args } = await this.parse(McpLogs);
    const context = await this.open(flags);
    const names = [...new Set(args.servers.map(serverName))];
    const json = this.jsonEnabled() || flags.output === 'json';
    const request = logRequest(flags, context.project.name, names);
    // Lines go out as they come, so there is no value to return: with --json each is an object of its own.
    await streamLogs(context, request, { json, timestamps: flags.timestamps });
  }
}
