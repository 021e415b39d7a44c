import { expect, test } from 'vitest';
import { connectRequest } from '../../../src/cli/command-line/connect-request.ts';
import type { Connecting } from '../../../src/cli/compose/composition.ts';
import { chooseProject } from '../../../src/cli/project/project.ts';
import { type ServeSettings, usualServe } from '../../../src/model/serve-settings.ts';
import type { NamedEngine } from '../../../src/spec/project-file.ts';

type Asked = {
  readonly flags?: { readonly host?: string; readonly context?: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly engine?: NamedEngine;
};

/** What an entry says of the engine, behind the words that all have. */
function said({ flags = {}, environment = {}, engine }: Asked) {
  const words = {
    ...{ client: 'cursor', server: undefined, all: true, local: false, stdio: true, force: false },
    ...{ as: undefined, url: undefined, 'token-file': undefined, print: false, undo: false, json: undefined },
    ...{ host: flags.host, context: flags.context },
  };
  const project = chooseProject({ flag: 'team', environment: undefined, file: undefined });
  const gateway = { ports: { place: { environment } }, url: undefined, tokenFile: '/t' } as unknown as Connecting;
  const { start } = connectRequest(words, project, gateway, '/looms/bin/run.js', engine && { engine });
  return { args: start.args.slice(6), env: start.env };
}

const at = 'looms.yaml:2';

test.each<[string, Asked, readonly string[]]>([
  ['nothing is said', {}, []],
  ['flags', { flags: { context: 'prod' }, engine: { kind: 'host', host: 'tcp://h', at } }, ['--context', 'prod']],
  ['a host of looms.yaml', { engine: { kind: 'host', host: 'tcp://h', at } }, ['--host', 'tcp://h']],
  ['a context of looms.yaml', { engine: { kind: 'context', context: 'lab', at } }, ['--context', 'docker:lab']],
  ['a cluster', { engine: { kind: 'kubernetes', context: 'prod', at } }, ['--context', 'kubernetes:prod']],
  ['the current context', { engine: { kind: 'kubernetes', at } }, ['--context', 'kubernetes:']],
])('an entry names the engine that is meant: %s', (_, asked, args) => {
  expect(said(asked).args).toEqual(args);
});

test('the environment wins over looms.yaml there as well, and says where contexts are', () => {
  const environment = { DOCKER_HOST: 'tcp://h', KUBECONFIG: '/k', PATH: '/bin' };
  expect(said({ environment, engine: { kind: 'kubernetes', at } })).toEqual({
    args: [],
    env: { DOCKER_HOST: 'tcp://h', KUBECONFIG: '/k' },
  });
});

test('a client that would have to find several engines itself is refused, unless one is named', () => {
  const gateway = { ports: { place: { environment: {} } }, url: undefined, tokenFile: '/t' } as unknown as Connecting;
  const project = chooseProject({ flag: 'team', environment: undefined, file: undefined });
  const words = {
    ...{ client: 'cursor', server: undefined, all: true, local: false, stdio: true, force: false },
    ...{ as: undefined, url: undefined, 'token-file': undefined, print: false, undo: false, json: undefined },
    ...{ host: undefined, context: undefined },
  };
  const request = (more: object) =>
    connectRequest({ ...words, ...more }, project, gateway, '/looms/bin/run.js', { engines: [] });
  expect(() => request({})).toThrow('looms.yaml names several engines');
  expect(request({ context: 'docker:lab' }).start.args).toContain('docker:lab');
  expect(request({ stdio: false, url: 'http://127.0.0.1:7777' }).http?.url).toBe('http://127.0.0.1:7777/mcp');
});

test('what serve of looms.yaml says of calls, and of names where all servers are one, is told as what a command does not find', () => {
  const gateway = { ports: { place: { environment: {} } }, url: undefined, tokenFile: '/t' } as unknown as Connecting;
  const project = chooseProject({ flag: 'team', environment: undefined, file: undefined });
  const words = {
    ...{ client: 'cursor', local: false, stdio: true, force: false, host: undefined, context: undefined },
    ...{ as: undefined, url: undefined, 'token-file': undefined, print: false, undo: false, json: undefined },
  };
  const unheld = (settings: Partial<ServeSettings>, server?: string) =>
    connectRequest({ ...words, server, all: false }, project, gateway, '/run.js', {
      serve: { ...usualServe, ...settings },
    }).unheld;
  const policy = [{ effect: 'deny', expression: 'true', file: 'looms.yaml', line: 2 }] as const;
  const aggregate = { separator: '.', maxName: 45 };
  expect(unheld({ policy, scan: 'mask', aggregate })).toEqual(['serve.policy', 'serve.scan', 'serve.aggregate']);
  expect(unheld({ policy, aggregate }, 'fs')).toEqual(['serve.policy']);
  expect(unheld({})).toEqual([]);
});
