import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArgs, serverName } from '../../cli/command-line/args.ts';
import { startByHand, startFlags } from '../../cli/run/by-hand.ts';
import type { PlanOutcome } from '../../cli/run/run-plan.ts';

export default class McpRestart extends BaseCommand {
  static override summary = 'Replace the containers of servers by new ones';
  static override description =
    'Makes a new container as the old one is recorded (or as a file declares it), waits until it has answered MCP, and ' +
    'only then drains and removes the old one: clients are not left without. A new one that does not answer is removed, ' +
    'and the old one stays. Asks only where the new one would be different.';
  static override examples = [
    { description: 'One server, from what is recorded', command: 'looms mcp restart fs' },
    { description: 'As a file declares it now', command: 'looms mcp restart fs --config mcp.yaml --yes' },
  ];
  static override args = { servers: requiredArgs({ description: 'names of the servers' }) };
  static override flags = startFlags;

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(McpRestart);
    const names = [...new Set(args.servers.map(serverName))];
    return startByHand(await this.open(flags), flags, { names, replace: true, json: this.jsonEnabled() });
  }
}
