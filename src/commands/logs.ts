import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs, serverName } from '../cli/command-line/args.ts';
import { logFlags, logRequest } from '../cli/command-line/log-flags.ts';
import { placeFlags } from '../cli/flags.ts';
import { streamLogs } from '../cli/run/stream-logs.ts';

export default class Logs extends BaseCommand {
  static override summary = 'Show the logs of all servers of a project, or of some, also of past generations';
  static override description =
    'Shows what servers wrote, merged by time. With --previous, and with --grep in any case, also what this machine kept ' +
    'of generations that are gone: looms keeps the log of a container before it removes it, and looms watch each minute, ' +
    '10 MB and 14 days of each server, with secrets masked.';
  static override examples = [
    { description: 'All servers as they write', command: 'looms logs -F' },
    { description: 'Where something was said, in past generations too', command: 'looms logs --grep "[Tt]imeout"' },
    { description: 'Why the last generation of one ended', command: 'looms logs db --previous --tail 20' },
    { description: 'What loom’s trace library reported, for a program', command: 'looms logs --traces only --json' },
  ];
  static override args = { servers: remainingArgs({ description: 'only these servers; default is all' }) };
  static override flags = {
    previous: Flags.boolean({
      char: 'p',
      description: 'also what is kept of generations that are gone, as with --grep',
    }),
    ...logFlags,
    ...placeFlags,
  };

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Logs);
    const context = await this.open(flags);
    const names = [...new Set((args.servers ?? []).map(serverName))];
    const json = this.jsonEnabled() || flags.output === 'json';
    const gone = flags.previous || flags.grep !== undefined;
    const request = logRequest(flags, context.project.name, names, gone);
    await streamLogs(context, request, { json, timestamps: flags.timestamps });
  }
}
