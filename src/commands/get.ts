import * as Flags from '@oclif/core/flags';
import { type ShownAlert, shownAlerts } from '../app/alerts/shown-alerts.ts';
import { type AllProjects, getAllProjects } from '../app/inspect/project-use.ts';
import type { ServerStatus } from '../app/inspect/server-status.ts';
import { getServers, getSpecs } from '../app/inspect/servers.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs, serverName } from '../cli/command-line/args.ts';
import { outputFlag, placeFlags } from '../cli/flags.ts';
import { renderAlerts } from '../cli/render/servers/alerts.ts';
import { renderProjectUse } from '../cli/render/servers/project-use.ts';
import { renderServers } from '../cli/render/servers/servers.ts';
import { LoomsError } from '../model/errors.ts';

/** A server of the list, with its alerts that are not calm. */
export type ListedServer = ServerStatus & { readonly alerts: readonly ShownAlert[] };

const withAlerts = (servers: readonly ServerStatus[], alerts: readonly ShownAlert[]): readonly ListedServer[] =>
  servers.map((server) => ({ ...server, alerts: alerts.filter((one) => one.server === server.name) }));

export default class Get extends BaseCommand {
  static override summary = 'List the servers that the engine runs for a project';
  static override description =
    'Shows what is there, from what its containers record alone: no spec is read. With -o yaml it prints specs that ' +
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

  async run(): Promise<readonly ListedServer[] | AllProjects> {
    const { flags, args } = await this.parse(Get);
    const { ports, policies, project, projectFile, terminal } = await this.open(flags);
    const request = { project: project.name, names: (args.names ?? []).map(serverName) };
    if (flags['all-projects']) {
      if (request.names.length > 0 || flags.output === 'yaml') {
        throw new LoomsError('usage', '--all-projects goes with neither names nor -o yaml', {
          hint: 'name the project with --project',
        });
      }
      const { all, notices } = await getAllProjects(ports, policies);
      for (const notice of notices) terminal.note(notice);
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
      const { servers: specs, notices } = await getSpecs(ports, request);
      for (const notice of notices) terminal.note(notice);
      this.answer(() => specs.join('---\n').trimEnd());
      return [];
    }
    // Where no file names alerts, the ledger need not be opened.
    const hasAlerts = projectFile?.file.alerts !== undefined;
    const [{ servers: found, notices }, all] = await Promise.all([
      getServers(ports, request),
      hasAlerts ? shownAlerts(ports, project.name) : [],
    ]);
    for (const notice of notices) terminal.note(notice);
    const alerts = request.names.length === 0 ? all : all.filter(({ server }) => request.names.includes(server));
    const servers = withAlerts(found, alerts);
    if (flags.output === 'json') this.logJson(servers);
    else {
      const { palette } = terminal;
      if (servers.length === 0) this.notice(`No server in project ${project.name}.`);
      const list = servers.length === 0 ? [] : [renderServers(servers, { wide: flags.output === 'wide' }, palette)];
      const told = alerts.length === 0 ? [] : [renderAlerts(alerts, ports.now(), palette)];
      if (list.length + told.length > 0) this.answer(() => [...list, ...told].join('\n\n'));
    }
    return servers;
  }
}
