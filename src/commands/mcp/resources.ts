import { listResources } from '../../app/talk/list-resources.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg, serverName } from '../../cli/command-line/args.ts';
import { gatewayFlags, placeFlags, trustFlags } from '../../cli/flags.ts';
import { renderResources } from '../../cli/render/answers/offers.ts';
import { cancelOnSignal } from '../../cli/terminal/signals.ts';
import type { Resource, ResourceTemplate } from '../../mcp/client/session.ts';

type Resources = { readonly resources: readonly Resource[]; readonly resourceTemplates: readonly ResourceTemplate[] };

export default class McpResources extends BaseCommand {
  static override summary = 'List the resources of a server';
  static override description =
    'Opens a session to a running server and shows its resources, and the templates by which more can be named. With ' +
    '--json both are printed as the server sent them.';
  static override examples = [
    { description: 'All resources', command: 'looms mcp resources everything' },
    { description: 'As the server sent them', command: 'looms mcp resources everything --json' },
  ];
  static override args = { server: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...trustFlags, ...gatewayFlags, ...placeFlags };

  async run(): Promise<Resources> {
    const { flags, args } = await this.parse(McpResources);
    const { ports, project, terminal } = await this.open(flags);
    const server = serverName(args.server);
    const listed = await cancelOnSignal(this.program, (signal) =>
      listResources(ports, { project: project.name, server }, { signal }),
    );
    const { offered, resources, resourceTemplates } = listed;
    if (!offered) this.notice(`${server} offers no resources: it does not have that capability`);
    else if (resources.length + resourceTemplates.length === 0) this.notice(`${server} has no resources right now`);
    else this.answer(() => renderResources(listed, terminal.table));
    return { resources, resourceTemplates };
  }
}
