import { planWork } from '../../app/plan/plan-work.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArgs, serverName } from '../../cli/command-line/args.ts';
import { durationFlag, placeFlags } from '../../cli/flags.ts';
import { listed } from '../../cli/render/text.ts';
import { byHandFlags } from '../../cli/run/by-hand.ts';
import { type PlanOutcome, runPlan } from '../../cli/run/run-plan.ts';

export default class McpStop extends BaseCommand {
  static override summary = 'Stop servers and keep their containers';
  static override description =
    'Waits until the sessions that are open have ended, at most as long as the drain_seconds of the spec, then stops the ' +
    'container. It stays, with its place and its files; `looms mcp start` starts it again, and so does the next apply.';
  static override examples = [
    { description: 'One server', command: 'looms mcp stop fs' },
    { description: 'Two at once, whatever runs in them', command: 'looms mcp stop fs memory --timeout 0' },
  ];
  static override args = { servers: requiredArgs({ description: 'names of the servers' }) };
  static override flags = {
    timeout: durationFlag(0)({
      description: 'how long open sessions may take to end: default is drain_seconds of the spec',
    }),
    ...byHandFlags,
    ...placeFlags,
  };

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(McpStop);
    const context = await this.open(flags);
    const { project, policies, ports } = context;
    const names = [...new Set(args.servers.map(serverName))];
    const { timeout: drainSeconds, ...others } = flags;
    const wish = { kind: 'stop', ...(drainSeconds === undefined ? {} : { drainSeconds }) } as const;
    const directory = ports.workingDirectory;
    const intent = { kind: 'recorded', project: project.name, servers: names, wish, directory } as const;
    const prepared = await planWork(ports, intent, { policies });
    return runPlan(
      prepared,
      { ...others, yes: true },
      {
        context,
        json: this.jsonEnabled(),
        question: `Stop ${listed(names)} of project ${project.name}?`,
        // What is blocked is shown with its reason.
        goesAhead: ({ changes }) => changes.every(({ action }) => action !== 'blocked'),
        nothingToDo: `${listed(names)} ${names.length === 1 ? 'is' : 'are'} stopped already.`,
      },
    );
  }
}
