import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { projectFlags } from '../cli/flags.ts';
import { openInBrowser } from '../cli/terminal/open-in-browser.ts';
import { LoomsError } from '../model/errors.ts';

/** How long the address lets somebody in, s. */
const codeSeconds = 60;

/** Where the page is, with what logs in there; told this once. */
export type Dashboard = { readonly url: string; readonly expiresInSeconds: number };

const starts = 'looms serve --watch -f FILE --listen 127.0.0.1:7777';

export default class DashboardCommand extends BaseCommand {
  static override summary = 'Print an address that opens the page of looms serve';
  static override description =
    'Asks the gateway of the project, over its socket, for a code that logs in to its page once, within a minute, and prints ' +
    'the address with it. Whoever opens it may see and do there what you may do with looms. The code stands behind #, so that ' +
    'no browser sends it to anybody or keeps it. Exits 69 where no gateway runs that listens on TCP.';
  static override examples = [
    { description: 'An address for the browser', command: 'looms dashboard' },
    { description: 'Open it at once', command: 'looms dashboard --open --project team-a' },
  ];
  static override flags = {
    open: Flags.boolean({ description: 'open it in the browser of this machine, too' }),
    ...projectFlags,
  };

  async run(): Promise<Dashboard> {
    const { flags } = await this.parse(DashboardCommand);
    const { pageLogin, project, ports, terminal } = await this.open(flags);
    const login = await pageLogin(project.name);
    if (login === undefined) {
      throw new LoomsError('server-not-running', `no gateway of project ${project.name} runs on this machine`, {
        hint: `${starts} starts one`,
      });
    }
    if (login.kind === 'socket-only') {
      throw new LoomsError(
        'server-not-running',
        `the gateway of project ${project.name} listens on its socket alone, where no browser gets to`,
        { hint: `start it with --listen: ${starts}` },
      );
    }
    const url = `${login.url.replace(/\/$/, '')}/#c=${login.code}`;
    this.answer(() => url);
    if (flags.open) {
      const trouble = await openInBrowser(url, { project: project.name, environment: ports.environment });
      if (trouble !== undefined) terminal.notice(`no browser was opened: ${trouble}`);
    }
    terminal.notice(`It lets one in, once, within ${codeSeconds} seconds.`);
    return { url, expiresInSeconds: codeSeconds };
  }
}
