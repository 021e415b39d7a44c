import { join } from 'node:path';
import {
  type Connected,
  connectClient,
  disconnectClient,
  type PrintedEntry,
  printClientEntry,
} from '../app/connect/connect-client.ts';
import { type FoundClient, listClients } from '../app/connect/list-clients.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { optionalArg } from '../cli/command-line/args.ts';
import { connectFlags, connectRequest } from '../cli/command-line/connect-request.ts';
import { outputFlag, placeFlags } from '../cli/flags.ts';
import { renderClients, renderConnected } from '../cli/render/connect.ts';
import { visible } from '../cli/render/text.ts';
import { clients } from '../clients/table.ts';

export default class Connect extends BaseCommand {
  static override summary = 'Tell a client of the servers of a project';
  static override description =
    'Writes one entry into the file of a client, touches nothing else in it, and then does what the client will do with ' +
    'that entry. The entry has the address of looms serve where that listens on TCP, else it starts looms mcp stdio. ' +
    'Without a client, lists those that looms knows, which of them are on this machine, and which are connected.';
  static override examples = [
    { description: 'All servers of the project for Claude Code', command: 'looms connect claude-code' },
    { description: 'One server for Cursor', command: 'looms connect cursor fs' },
    { description: 'Take it out again', command: 'looms connect cursor fs --undo' },
    { description: 'What there is to connect', command: 'looms connect' },
  ];
  static override args = {
    client: optionalArg({ description: `the client: ${clients.map(({ id }) => id).join(', ')}` }),
    server: optionalArg({ description: 'a server: default is all of the project as one' }),
  };
  static override flags = { ...connectFlags, ...outputFlag(['text', 'json'], 'the form of the answer'), ...placeFlags };

  override jsonEnabled(): boolean {
    return super.jsonEnabled() || this.#asJson;
  }
  #asJson = false;

  async run(): Promise<readonly FoundClient[] | Connected | PrintedEntry> {
    const { flags, args } = await this.parse(Connect);
    this.#asJson = flags.output === 'json';
    const { connecting, project, projectFile, terminal } = await this.open(flags);
    const gateway = await connecting(project.name);
    if (args.client === undefined) {
      const found = await listClients(gateway.ports);
      this.answer(() => renderClients(found, terminal.palette, terminal.table.width));
      return found;
    }
    const words = { ...flags, client: args.client, server: args.server };
    const program = join(this.config.root, 'bin', 'run.js');
    const request = connectRequest(words, project, gateway, program, projectFile?.file);
    if (flags.print) {
      const printed = await printClientEntry(gateway.ports, request);
      this.notice(`The entry for ${visible(printed.file)}:`);
      this.pass(() => printed.text.trimEnd());
      if (printed.note !== undefined) this.notice(visible(printed.note));
      return printed;
    }
    const answer = await (flags.undo ? disconnectClient : connectClient)(gateway.ports, request);
    this.answer(() => renderConnected(answer, terminal.palette));
    return answer;
  }
}
