import { describeServer } from '../app/describe-server.ts';
import type { ServerDetail } from '../app/server-status.ts';
import { requiredArg } from '../cli/args.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { engineFlags, projectFlags } from '../cli/flags.ts';
import { renderServer } from '../cli/render/servers.ts';
import { serverName } from '../cli/server-name.ts';

export default class Describe extends BaseCommand {
  static override summary = 'Show everything about one server';
  static override description =
    'State, image, limits, network, mounts and hardening of a server as the engine reports them, and where its spec ' +
    'came from. Names of secrets are shown, their values are known to nobody here.';
  static override examples = [
    { description: 'One server', command: '<%= config.bin %> describe fs' },
    { description: 'Its limits, for a script', command: '<%= config.bin %> describe fs --json | jq .limits' },
  ];
  static override args = { name: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...projectFlags, ...engineFlags };

  async run(): Promise<ServerDetail> {
    const { flags, args } = await this.parse(Describe);
    const { ports, project, terminal } = await this.open(flags);
    const { server, secrets } = await describeServer(ports, { project: project.name, name: serverName(args.name) });
    this.answer(() => renderServer(server, secrets, terminal.palette));
    return server;
  }
}
