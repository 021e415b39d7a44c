import { join } from 'node:path';
import * as Flags from '@oclif/core/flags';
import {
  type Connected,
  type ConnectRequest,
  connectClient,
  disconnectClient,
  type PrintedEntry,
  printClientEntry,
} from '../app/connect/connect-client.ts';
import { type FoundClient, listClients } from '../app/connect/list-clients.ts';
import { optionalArg } from '../cli/args.ts';
import { BaseCommand } from '../cli/base-command.ts';
import type { Connecting } from '../cli/compose.ts';
import { placeFlags } from '../cli/flags.ts';
import type { ProjectChoice } from '../cli/project.ts';
import { renderClients, renderConnected } from '../cli/render/connect.ts';
import { visible } from '../cli/render/text.ts';
import { serverName } from '../cli/server-name.ts';
import { clients } from '../clients/table.ts';
import { LoomsError } from '../model/errors.ts';
import { nearest } from '../model/nearest.ts';

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
  static override flags = {
    all: Flags.boolean({ description: 'all servers of the project as one, which is the default' }),
    as: Flags.string({
      description: 'what the entry is called: default is the server, or looms for all',
      helpValue: 'NAME',
    }),
    local: Flags.boolean({ description: 'the client’s file in this folder, instead of its user’s own' }),
    url: Flags.string({
      description: 'an HTTP entry with the address of a gateway: default is where looms serve listens on TCP now',
      helpValue: 'URL',
      exclusive: ['stdio'],
    }),
    'token-file': Flags.string({
      description: 'where the token for that address is: default is the file of looms serve',
      helpValue: 'FILE',
    }),
    stdio: Flags.boolean({ description: 'an entry that starts looms mcp stdio, also where a gateway listens on TCP' }),
    print: Flags.boolean({ description: 'print the entry, and write nothing' }),
    undo: Flags.boolean({ description: 'take the entry out', exclusive: ['print'] }),
    force: Flags.boolean({ description: 'also in the place of an entry that looms did not write' }),
    output: Flags.option({
      char: 'o',
      description: 'the form of the answer',
      options: ['text', 'json'] as const,
      default: 'text' as const,
      exclusive: ['json'],
    })(),
    ...placeFlags,
  };

  override jsonEnabled(): boolean {
    return super.jsonEnabled() || this.#asJson;
  }
  #asJson = false;

  async run(): Promise<readonly FoundClient[] | Connected | PrintedEntry> {
    const { flags, args } = await this.parse(Connect);
    this.#asJson = flags.output === 'json';
    const { connecting, project, terminal } = await this.open(flags);
    const gateway = await connecting(project.name);
    if (args.client === undefined) {
      const found = await listClients(gateway.ports);
      this.answer(() => renderClients(found, terminal.palette, terminal.width));
      return found;
    }
    const words = { ...flags, client: args.client, server: args.server };
    const request = requestOf(words, project, gateway, join(this.config.root, 'bin', 'run.js'));
    if (flags.print) {
      const printed = await printClientEntry(gateway.ports, request);
      this.notice(`The entry for ${visible(printed.file)}:`);
      this.pass(() => printed.text.trimEnd());
      return printed;
    }
    const answer = await (flags.undo ? disconnectClient : connectClient)(gateway.ports, request);
    this.answer(() => renderConnected(answer, terminal.palette));
    return answer;
  }
}

type Words = {
  readonly client: string;
  readonly server: string | undefined;
  readonly all: boolean;
  readonly as?: string | undefined;
  readonly local: boolean;
  readonly url?: string | undefined;
  readonly 'token-file'?: string | undefined;
  readonly stdio: boolean;
  readonly force: boolean;
  readonly host?: string | undefined;
  readonly context?: string | undefined;
};

/** What is wanted of the client. Throws `usage` for a client, name or address that cannot be one. */
function requestOf(
  words: Words,
  { name: project }: ProjectChoice,
  { ports, url, tokenFile }: Connecting,
  program: string,
): ConnectRequest {
  const client = clients.find(({ id }) => id === words.client);
  if (client === undefined) {
    const close = nearest(
      words.client,
      clients.map(({ id }) => id),
    );
    throw new LoomsError('usage', `looms knows no client "${words.client}"`, {
      hint: close === undefined ? '`looms connect` lists those that it knows' : `did you mean ${close}?`,
    });
  }
  if (words.all && words.server !== undefined) {
    throw new LoomsError('usage', 'looms connect takes the name of a server, or --all');
  }
  const server = words.server === undefined ? undefined : serverName(words.server);
  const name = words.as ?? server ?? 'looms';
  if (!/^[\w-]{1,40}$/.test(name)) {
    throw new LoomsError('usage', `"${name}" is no name for an entry`, {
      hint: 'clients take letters, digits, _ and -, at most 40',
    });
  }
  const address = words.stdio ? undefined : (words.url ?? url);
  const flags = [
    ...(server === undefined ? ['--all'] : [server]),
    ...['--project', project],
    ...(words.host === undefined ? [] : ['--host', words.host]),
    ...(words.context === undefined ? [] : ['--context', words.context]),
  ];
  // A file that others have as well holds no path of this machine.
  const start = words.local
    ? { kind: 'stdio' as const, command: 'looms', args: ['mcp', 'stdio', ...flags], env: {} }
    : {
        kind: 'stdio' as const,
        command: process.execPath,
        args: [program, 'mcp', 'stdio', ...flags],
        env: settingsOf(ports.place.environment),
      };
  return {
    client,
    project,
    server,
    name,
    inProject: words.local,
    force: words.force,
    start,
    ...(address === undefined
      ? {}
      : {
          http: {
            url: addressOf(address, server),
            tokenFile: words['token-file'] ?? tokenFile,
            wasAsked: words.url !== undefined,
          },
        }),
  };
}

/** Of the variables that say where engine and state are those that are set: a program started by a desktop has none. */
function settingsOf(environment: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const names = ['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value ? [[name, value] as const] : [];
    }),
  );
}

/** The address of a server, or of all, at a gateway. Throws `usage`. */
function addressOf(text: string, server: string | undefined): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new LoomsError('usage', `"${text}" is no address of a gateway`, {
      hint: 'for example http://127.0.0.1:7777',
    });
  }
  const base = url.href.replace(/\/+$/, '').replace(/\/mcp$/, '');
  return server === undefined ? `${base}/mcp` : `${base}/mcp/${server}`;
}
