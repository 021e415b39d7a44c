import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArgs, serverName } from '../../cli/command-line/args.ts';
import { startByHand, startFlags } from '../../cli/run/by-hand.ts';
import type { PlanOutcome } from '../../cli/run/run-plan.ts';

export default class McpStart extends BaseCommand {
  static override summary = 'Start servers';
  static override description =
    'Applies the servers that are named and no other: from a file with --config (those of that name, or the only one of the ' +
    'file under the one name), else as they are recorded on their containers, else from the specs of this folder. A server ' +
    'counts as started when it has answered MCP. Asks only where a running server would be replaced by a different one.';
  static override examples = [
    { description: 'A server that a file declares', command: 'looms mcp start teradata --config teradata-mcp.yaml' },
    { description: 'Two that were stopped', command: 'looms mcp start teradata memory' },
  ];
  static override args = { servers: requiredArgs({ description: 'names of the servers' }) };
  static override flags = startFlags;

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(McpStart);
    const names = [...new Set(args.servers.map(serverName))];
    return startByHand(await this.open(flags), flags, { names, replace: false, json: this.jsonEnabled() });
  }
}
