import * as Flags from '@oclif/core/flags';
import { type ServerStats, sortStats, statsOrders, watchStats } from '../app/inspect/server-stats.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs, serverName } from '../cli/command-line/args.ts';
import { outputFlag, placeFlags } from '../cli/flags.ts';
import { renderStats } from '../cli/render/servers/server-stats.ts';
import { untilSignal } from '../cli/terminal/signals.ts';

export default class Stats extends BaseCommand {
  static override summary = 'Show what servers take of processor, memory and the rest';
  static override description =
    'Shows what each server takes beside what it may take, its sessions and its calls of the last minute, the nearest to ' +
    'a limit first; what takes more than four fifths of a limit is marked with !. On a terminal it goes on until Ctrl-C ' +
    '(exit 130); elsewhere, with --no-stream or --json it shows one measurement, which takes a second or two.';
  static override examples = [
    { description: 'All servers, as they go', command: 'looms stats' },
    { description: 'Once, the most memory first', command: 'looms stats --no-stream --sort memory' },
    {
      description: 'What is near a limit, for a program',
      command: "looms stats --json | jq '.[] | select(.near != [])'",
    },
  ];
  static override args = { names: remainingArgs({ description: 'only these servers; default is all' }) };
  static override flags = {
    'no-stream': Flags.boolean({ description: 'show one measurement and end' }),
    sort: Flags.option({
      description: 'what comes first: the nearest to a limit, the most of something, or the first by name',
      options: statsOrders,
      default: 'limit' as const,
    })(),
    ...outputFlag(['table', 'json'], 'the form of the list'),
    ...placeFlags,
  };

  async run(): Promise<readonly ServerStats[]> {
    const { flags, args } = await this.parse(Stats);
    const { ports, project, terminal } = await this.open(flags);
    const asJson = this.jsonEnabled() || flags.output === 'json';
    const goesOn = terminal.redraws && !flags['no-stream'] && !asJson;
    const request = { project: project.name, names: (args.names ?? []).map(serverName) };
    let latest: readonly ServerStats[] = [];
    const isStopped = await untilSignal(async (stop) => {
      let looks = 0;
      for await (const found of watchStats(ports, request, stop)) {
        latest = sortStats(found, flags.sort);
        looks += 1;
        if (latest.length === 0) break;
        if (goesOn) terminal.redraw((width) => renderStats(latest, terminal.palette, width));
        else if (looks === 2) break;
      }
    }, this.program);
    if (isStopped) return latest;
    if (flags.output === 'json') this.logJson(latest);
    else if (latest.length === 0) this.notice(`No server in project ${project.name}.`);
    else this.answer(() => renderStats(latest, terminal.palette, terminal.table.width));
    return latest;
  }
}
