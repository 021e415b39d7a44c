import * as Flags from '@oclif/core/flags';
import type { ServerStatus } from '../app/inspect/server-status.ts';
import { getServers, getSpecs } from '../app/inspect/servers.ts';
import { remainingArgs } from '../cli/args.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { placeFlags } from '../cli/flags.ts';
import { renderServers } from '../cli/render/servers.ts';
import { serverName } from '../cli/server-name.ts';

export default class Get extends BaseCommand {
  static override summary = 'List the servers that the engine runs for a project';
  static override description =
    'Shows what is there, from the labels on the containers alone: no spec is read. With -o yaml it prints specs that ' +
    'can be applied again.';
  static override examples = [
    { description: 'All servers of the project', command: 'looms get' },
    { description: 'With containers and the files they came from', command: 'looms get -o wide' },
    { description: 'The spec of one server, to apply elsewhere', command: 'looms get fs -o yaml > fs.yaml' },
  ];
  static override args = { names: remainingArgs({ description: 'only these servers; default is all' }) };
  static override flags = {
    output: Flags.string({
      char: 'o',
      description: 'the form of the list',
      options: ['table', 'wide', 'json', 'yaml'],
      default: 'table',
      exclusive: ['json'],
    }),
    ...placeFlags,
  };

  async run(): Promise<readonly ServerStatus[]> {
    const { flags, args } = await this.parse(Get);
    const { ports, project, terminal } = await this.open(flags);
    const request = { project: project.name, names: (args.names ?? []).map(serverName) };
    if (flags.output === 'yaml') {
      const specs = await getSpecs(ports, request);
      this.answer(() => specs.trimEnd());
      return [];
    }
    const servers = await getServers(ports, request);
    if (flags.output === 'json') this.logJson(servers);
    else if (servers.length === 0) this.notice(`No server in project ${project.name}.`);
    else this.answer(() => renderServers(servers, flags.output === 'wide', terminal.palette));
    return servers;
  }
}
