import * as Flags from '@oclif/core/flags';
import { lifecycleEvents, requireKnown } from '../app/inspect/lifecycle-events.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs, serverName } from '../cli/command-line/args.ts';
import { outputFlag, placeFlags } from '../cli/flags.ts';
import { renderEvent } from '../cli/render/servers/lifecycle-events.ts';
import { untilSignal } from '../cli/terminal/signals.ts';
import { parseMoment } from '../model/values/moment.ts';
import { seenJson } from '../model/values/unseen.ts';

export default class Events extends BaseCommand {
  static override summary = 'Show what happened to servers, and why';
  static override description =
    'Shows what the engine tells of the containers of servers, what was changed with looms from this machine (who did it, ' +
    'from which file and commit, why, and what became of it), and what alerts did; oldest first. With --follow (-F) it goes on until Ctrl-C ' +
    '(exit 130). An engine forgets soon; looms watch keeps what it tells for 14 days. Exits 66 for a name of which nothing is known.';
  static override examples = [
    { description: 'The last hour', command: 'looms events' },
    { description: 'One server, as it happens', command: 'looms events fs -F' },
    {
      description: 'What was replaced today, for a program',
      command: 'looms events --since 1d -o json | jq \'select(.action == "replace")\'',
    },
  ];
  static override args = { names: remainingArgs({ description: 'only these servers; default is all' }) };
  static override flags = {
    follow: Flags.boolean({ char: 'F', description: 'go on with what comes, until Ctrl-C' }),
    since: Flags.string({
      description: 'from this moment on, or so long ago (10m, 2h30m)',
      helpValue: 'TIME',
      default: '1h',
    }),
    ...outputFlag(['text', 'json'], 'the form of the events; json is one object a line, as with --json'),
    ...placeFlags,
  };

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Events);
    const { ports, project, terminal } = await this.open(flags);
    const request = {
      project: project.name,
      names: (args.names ?? []).map(serverName),
      since: parseMoment(flags.since, '--since'),
      follow: flags.follow,
    };
    const json = this.jsonEnabled() || flags.output === 'json';
    let count = 0;
    const told = new Set<string>();
    const isStopped = await untilSignal(async (stop) => {
      for await (const event of lifecycleEvents(ports, request, stop)) {
        count += 1;
        told.add(event.server);
        const text = json ? seenJson(JSON.stringify(event)) : renderEvent(event, terminal.palette);
        if (!(await terminal.stream(text))) break;
      }
    }, this.program);
    if (!isStopped && !flags.follow) await requireKnown(ports, request, told);
    if (!isStopped && count === 0 && !json)
      terminal.notice(`Nothing is known of servers of project ${project.name} since then.`);
  }

  /** The lines are printed already. */
  override logJson(): void {}
}
