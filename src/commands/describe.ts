import * as Flags from '@oclif/core/flags';
import type { ServerPosture } from '../app/inspect/posture/posture.ts';
import type { ServerDetail } from '../app/inspect/server-status.ts';
import { describeServers } from '../app/inspect/servers.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { requiredArgs, serverName } from '../cli/command-line/args.ts';
import { placeFlags } from '../cli/flags.ts';
import { renderServer } from '../cli/render/servers/servers.ts';
import { showPosture } from '../cli/run/show-posture.ts';

export default class Describe extends BaseCommand {
  static override summary = 'Show everything about servers';
  static override description =
    'State, image, limits, network, mounts and hardening of a server as the engine reports them, and where its spec ' +
    'came from. Names of secrets are shown, their values are known to nobody here. --json prints one object for one name, ' +
    'and a list of them for several.';
  static override examples = [
    { description: 'One server', command: 'looms describe fs' },
    { description: 'Its limits, for a script', command: 'looms describe fs --json | jq .limits' },
  ];
  static override args = { names: requiredArgs({ description: 'names of the servers' }) };
  static override flags = {
    posture: Flags.boolean({ description: 'show instead how they are confined, as `looms posture` does' }),
    ...placeFlags,
  };

  async run(): Promise<ServerDetail | readonly ServerDetail[] | readonly ServerPosture[]> {
    const { flags, args } = await this.parse(Describe);
    const context = await this.open(flags);
    const { ports, project, terminal } = context;
    const names = args.names.map(serverName);
    if (flags.posture) return showPosture(context, names, (text) => this.answer(text));
    const { servers: described, notices } = await describeServers(ports, { project: project.name, names });
    for (const notice of notices) terminal.note(notice);
    this.answer(() =>
      described.map(({ server, secrets }) => renderServer(server, secrets, terminal.palette)).join('\n\n'),
    );
    const servers = described.map(({ server }) => server);
    return servers.length === 1 && servers[0] !== undefined ? servers[0] : servers;
  }
}
