import { doesWhatWasSaid } from '../../app/plan/does-what-was-said.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArgs } from '../../cli/command-line/args.ts';
import { serverName } from '../../cli/command-line/server-name.ts';
import { listed } from '../../cli/render/text.ts';
import { planStart, startFlags } from '../../cli/run/by-hand.ts';
import { type PlanOutcome, runPlan } from '../../cli/run/run-plan.ts';

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
    const context = await this.open(flags);
    const json = this.jsonEnabled();
    const names = [...new Set(args.servers.map(serverName))];
    const prepared = await planStart(context, { names, file: flags.config, replace: true, json });
    return runPlan(prepared, flags, {
      context,
      json,
      question: `Replace ${listed(names)} of project ${context.project.name} by this?`,
      goesAhead: doesWhatWasSaid,
    });
  }
}
