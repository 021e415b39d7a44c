import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { ConnectRequest } from '../../app/connect/connect-client.ts';
import type { Client } from '../../clients/client.ts';
import { clients } from '../../clients/table.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import { type ServeSettings, usualNames, usualServe } from '../../model/serve-settings.ts';
import { nearest } from '../../model/values/nearest.ts';
import { present } from '../../model/values/present.ts';
import type { NamedEngine, ProjectFile } from '../../spec/project-file.ts';
import type { Connecting } from '../compose/composition.ts';
import type { engineFlags } from '../flags.ts';
import type { ProjectChoice } from '../project/project.ts';
import { serverName } from './args.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Which entry is wanted, and how. */
export const connectFlags = {
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
};

/** What was written on the command line. */
type Words = InferredFlags<typeof connectFlags & typeof engineFlags> & {
  readonly client: string;
  readonly server: string | undefined;
};

/**
 * What is wanted of the client; `file` is the project file, which a client started elsewhere would not find.
 * Throws `usage` for a client, name or address that cannot be one, and where the client itself would have to find several engines.
 */
export function connectRequest(
  words: Words,
  { name: project }: ProjectChoice,
  { ports, url, tokenFile }: Connecting,
  program: string,
  file: Pick<ProjectFile, 'engine' | 'engines' | 'serve'> | undefined,
): ConnectRequest {
  const client = clientNamed(words.client);
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
  const ofProject = file?.engine;
  if (address === undefined && file?.engines !== undefined && words.host === undefined && words.context === undefined) {
    throw new LoomsError(
      'usage',
      'looms.yaml names several engines, which a client that is started elsewhere would not find',
      {
        hint: 'run `looms serve --listen 127.0.0.1:7777` and connect to that, or name one engine with --context',
      },
    );
  }
  return {
    client,
    project,
    server,
    name,
    inProject: words.local,
    force: words.force,
    start: startOf(words, { server, project, program, environment: ports.place.environment, ofProject }),
    unheld: unheldBy(file?.serve, server),
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

/** What `serve` of looms.yaml says of calls and of names of tools, which a command that is started elsewhere does not find. */
function unheldBy(
  { policy, scan, aggregate }: ServeSettings = usualServe,
  server: string | undefined,
): readonly string[] {
  const { separator, maxName } = aggregate;
  const areUsual = separator === usualNames.separator && maxName === usualNames.maxName;
  return present([
    policy.length > 0 && 'serve.policy',
    scan !== 'off' && 'serve.scan',
    server === undefined && !areUsual && 'serve.aggregate',
  ]);
}

/** Of the variables that say where engine and state are those that are set: a program started by a desktop has none. */
function settingsOf(environment: Environment): Readonly<Record<string, string>> {
  const names = ['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'KUBECONFIG', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME'];
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

/** The client of that id. Throws `usage`. */
function clientNamed(text: string): Client {
  const found = clients.find(({ id }) => id === text);
  if (found !== undefined) return found;
  const close = nearest(
    text,
    clients.map(({ id }) => id),
  );
  throw new LoomsError('usage', `looms knows no client "${text}"`, {
    hint: close === undefined ? '`looms connect` lists those that it knows' : `did you mean ${close}?`,
  });
}

type Started = {
  readonly server: string | undefined;
  readonly project: ProjectName;
  /** The path of `bin/run.js`. */
  readonly program: string;
  readonly environment: Environment;
  readonly ofProject: NamedEngine | undefined;
};

/** The flags that name the engine that is meant here, where the environment does not. */
function engineArgs({ host, context }: Words, { environment, ofProject }: Started): readonly string[] {
  if (host !== undefined || context !== undefined) {
    return [...(host === undefined ? [] : ['--host', host]), ...(context === undefined ? [] : ['--context', context])];
  }
  if (ofProject === undefined || environment.DOCKER_HOST || environment.DOCKER_CONTEXT) return [];
  switch (ofProject.kind) {
    case 'host':
      return ['--host', ofProject.host];
    case 'context':
      return ['--context', `docker:${ofProject.context}`];
    case 'kubernetes':
      return ['--context', `kubernetes:${ofProject.context ?? ''}`];
    default:
      return assertNever(ofProject);
  }
}

/** How `looms mcp stdio` is started; a file that others have as well holds no path of this machine. */
function startOf(words: Words, started: Started): ConnectRequest['start'] {
  const { server, project, program, environment } = started;
  const args = ['mcp', 'stdio', server ?? '--all', '--project', project, ...engineArgs(words, started)];
  return words.local
    ? { kind: 'stdio', command: 'looms', args, env: {} }
    : { kind: 'stdio', command: process.execPath, args: [program, ...args], env: settingsOf(environment) };
}
