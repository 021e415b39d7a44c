import type { ServerPosture } from '../app/inspect/posture/posture.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs, serverName } from '../cli/command-line/args.ts';
import { outputFlag, placeFlags } from '../cli/flags.ts';
import { showPosture } from '../cli/run/show-posture.ts';

export default class Posture extends BaseCommand {
  static override summary = 'Show whether servers are confined as they should be';
  static override description =
    'For each promise of a spec and of the defaults: what the spec says, what the engine says of the container, and what a ' +
    'process in the container reads back (user, capabilities, limits, network, mounts and the rest). Changes nothing. ' +
    'Exits 4 when a promise is not kept.';
  static override examples = [
    { description: 'All servers of the project', command: 'looms posture' },
    { description: 'One server, to file', command: 'looms posture fs --json > fs-posture.json' },
  ];
  static override args = { names: remainingArgs({ description: 'only these servers; default is all' }) };
  static override flags = { ...outputFlag(['table', 'json'], 'the form of the report'), ...placeFlags };

  async run(): Promise<readonly ServerPosture[]> {
    const { flags, args } = await this.parse(Posture);
    const context = await this.open(flags);
    const names = (args.names ?? []).map(serverName);
    const inJson = flags.output === 'json';
    const servers = await showPosture(context, names, (text) => (inJson ? undefined : this.answer(text)));
    if (inJson) this.logJson(servers);
    return servers;
  }
}
