import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { listenAddress } from '../cli/command-line/listen-address.ts';
import { exitCodeOfSignal } from '../cli/exit-codes.ts';
import { placeFlags, trustFlags } from '../cli/flags.ts';
import { alerting } from '../cli/run/alerting.ts';
import { keepWatching, loopRecord, watchFlags } from '../cli/run/keep-watching.ts';
import { measuring } from '../cli/run/measuring.ts';
import { listenForSignals } from '../cli/terminal/signals.ts';

export default class Watch extends BaseCommand {
  static override summary = 'Keep the engine as the specs say, until Ctrl-C';
  static override description =
    'The plan and the run of looms apply in a loop: when a file changes, when something happens to a container, and every ' +
    '--interval in any case. Servers are asked whether they answer MCP every health_check_interval_seconds; one that does ' +
    'not run is started, one that fails three times in a row is replaced, and keeps serving until its successor answers. ' +
    'What does not last is repaired later each time, up to five minutes apart. A file that cannot be used changes nothing: ' +
    'what it said last stays in force. A server that somebody stopped with looms mcp stop stays stopped.';
  static override examples = [
    { description: 'Keep it so', command: 'looms watch -f mcp.yaml' },
    {
      description: 'As a Git repository says, in commits that somebody trusted signed',
      command:
        'looms watch --git git@example.com:team/servers.git --branch main --path specs --require-signed --allowed-signers signers',
    },
    { description: 'Only say what drifts', command: 'looms watch -f specs/ --dry-run --json' },
    {
      description: 'An alarm when somebody changes something by hand',
      command: 'looms watch --dry-run --on-drift https://hooks.example.com/drift',
    },
    {
      description: 'Also remove what is not declared, two servers at most',
      command: 'looms watch -f specs/ --project team-a --prune --max-deletes 2',
    },
  ];
  static override flags = {
    ...watchFlags,
    listen: Flags.string({
      description: 'tell of the loop at /healthz, /readyz and /metrics there',
      helpValue: 'HOST:PORT',
    }),
    ...placeFlags,
    ...trustFlags,
  };

  protected override get goesOn(): boolean {
    return true;
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Watch);
    const context = await this.open(flags);
    const address = flags.listen === undefined ? undefined : listenAddress(flags.listen);
    const interruption = listenForSignals(flags.grace * 1000, () => {});
    const { record, status } = await loopRecord(flags, context);
    const { sampler, begin, families } = await measuring(context, { keepsPast: false });
    const alerts = await alerting(context, { sampler, status });
    const measured = async () => [...(await families()), ...alerts.families()];
    const where = address && { ...address, measured };
    const told = where && (await context.tellOfLoop(context.project.name, status, where));
    if (told !== undefined) context.terminal.notice(`telling of the loop at ${told.url}`);
    const endLooks = begin();
    try {
      await keepWatching(flags, context, { ...interruption, record, alerts, json: this.jsonEnabled() });
    } finally {
      await Promise.all([told?.close(), endLooks()]);
    }
    interruption.dispose();
    process.exitCode = exitCodeOfSignal(interruption.received());
  }
}
