import { requiredArg } from '../../cli/args.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { byHandFlags, configFlag, doesWhatWasSaid, planStart } from '../../cli/by-hand.ts';
import { applyFlags, engineFlags, projectFlags, trustFlags } from '../../cli/flags.ts';
import { type PlanOutcome, runPlan } from '../../cli/run-plan.ts';
import { serverName } from '../../cli/server-name.ts';

export default class McpStart extends BaseCommand {
  static override summary = 'Start one server';
  static override description =
    'Applies one server and no other: from a file with --config (the one of that name, or the only one of the file under ' +
    'that name), else as it is recorded on its container, else from the specs of this folder. It counts as started when ' +
    'it has answered MCP. Asks only where a running server would be replaced by a different one.';
  static override examples = [
    {
      description: 'A server that a file declares',
      command: '<%= config.bin %> mcp start teradata --config teradata-mcp.yaml',
    },
    { description: 'One that was stopped', command: '<%= config.bin %> mcp start teradata' },
  ];
  static override args = { server: requiredArg({ description: 'name of the server' }) };
  static override flags = {
    config: configFlag,
    yes: applyFlags.yes,
    timeout: applyFlags.timeout,
    ...byHandFlags,
    ...trustFlags,
    ...projectFlags,
    ...engineFlags,
  };

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(McpStart);
    const context = await this.open(flags);
    const json = this.jsonEnabled();
    const name = serverName(args.server);
    const prepared = await planStart(context, { name, file: flags.config, replace: false, json });
    return runPlan(prepared, flags, {
      context,
      json,
      question: `Replace ${name} of project ${context.project.name} by this?`,
      goesAhead: doesWhatWasSaid,
      nothingToDo: `${name} runs already, as declared.`,
    });
  }
}
