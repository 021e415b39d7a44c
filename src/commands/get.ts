import * as Flags from '@oclif/core/flags';
import { type AllProjects, getAllProjects } from '../app/inspect/project-use.ts';
import type { ServerStatus } from '../app/inspect/server-status.ts';
import { getServers, getSpecs } from '../app/inspect/servers.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs } from '../cli/command-line/args.ts';
import { serverName } from '../cli/command-line/server-name.ts';
import { outputFlag, placeFlags } from '../cli/flags.ts';
import { renderProjectUse } from '../cli/render/servers/project-use.ts';
import { renderServers } from '../cli/render/servers/servers.ts';
import { LoomsError } from '../model/errors.ts';

export default class Get extends BaseCommand {
  static override summary = 'List the servers that the engine runs for a project';
  static override description =
    'Shows what is there, from the labels on the containers alone: no spec is read. With -o yaml it prints specs that ' +
    'can be applied again.';
  static override examples = [
    { description: 'All servers of the project', command: 'looms get' },
    { description: 'With containers and the files they came from', command: 'looms get -o wide' },
    { description: 'All projects, with what they take of their quotas', command: 'looms get --all-projects' },
    { description: 'The spec of one server, to apply elsewhere', command: 'looms get fs -o yaml > fs.yaml' },
  ];
  static override args = { names: remainingArgs({ description: 'only these servers; default is all' }) };
  static override flags = {
    ...outputFlag(['table', 'wide', 'json', 'yaml'], 'the form of the list'),
    'all-projects': Flags.boolean({
      char: 'A',
      description: 'the servers of all projects on the engine, and what each project takes of its quota',
      exclusive: ['project'],
    }),
    ...placeFlags,
  };

  async run(): Promise<readonly ServerStatus[] | AllProjects> {
    const { flags, args } = await this.parse(Get);
    const { ports, policies, project, terminal } = await this.open(flags);
    const request = { project: project.name, names: (args.names ?? []).map(serverName) };
    if (flags['all-projects']) {
      if (request.names.length > 0 || flags.output === 'yaml') {
        throw new LoomsError('usage', '--all-projects goes with neither names nor -o yaml', {
          hint: 'name the project with --project',
        });
      }
      const all = await getAllProjects(ports, policies);
      if (flags.output === 'json') this.logJson(all);
      else if (all.projects.length === 0) this.notice('No server on this engine.');
      else {
        const { palette } = terminal;
        const list = renderServers(all.servers, { wide: flags.output === 'wide', withProject: true }, palette);
        this.answer(() => `${list}\n\n${renderProjectUse(all.projects, palette)}`);
      }
      return all;
    }
    if (flags.output === 'yaml') {
      const specs = await getSpecs(ports, request);
      this.answer(() => specs.trimEnd());
      return [];
    }
    const servers = await getServers(ports, request);
    if (flags.output === 'json') this.logJson(servers);
    else if (servers.length === 0) this.notice(`No server in project ${project.name}.`);
    else this.answer(() => renderServers(servers, { wide: flags.output === 'wide' }, terminal.palette));
    return servers;
  }
}
