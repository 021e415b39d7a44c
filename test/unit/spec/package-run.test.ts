import { describe, expect, test } from 'vitest';
import { argvTemplateOf } from '../../../src/model/container/argv.ts';
import { check, load, only } from './checking.ts';

type Parts = { readonly backend: string; readonly command: string; readonly args?: readonly string[] };

const spec = ({ backend, command, args = [] }: Parts): string =>
  `name: fs\ndocker_backend: ${backend}\nmcp_server: { command: ${command}, args: ${JSON.stringify(args)} }\n`;

const server = '@scope/server-files';
const node = '{ runtime_type: node }';
const withServer = `{ runtime_type: node, node: { preinstall_packages: ["${server}@1.2.0"] } }`;
const withTime = '{ runtime_type: python, python: { preinstall_packages: [Mcp_Server.time==1.0] } }';
const bridge = '{ runtime_type: node, network: { mode: bridge } }';

describe('a command that fetches its package', () => {
  test('is an error at its line where nothing can be fetched, with the block that installs the package', () => {
    expect(
      check(spec({ backend: node, command: 'npx', args: ['-y', `${server}@latest`, '/data'] })),
    ).toMatchInlineSnapshot(`
      "3:24 error[fetched-at-start] mcp_server.command: npx fetches @scope/server-files@latest when it starts, and from network mode isolated no registry is reached (hint: install it in the image; the same command then runs what is installed:
      docker_backend:
        runtime_type: node
        node: { preinstall_packages: ["@scope/server-files"] })"
    `);
    expect(
      check(spec({ backend: '{ runtime_type: python }', command: 'uvx', args: ['mcp-server-time@1.0'] })),
    ).toMatchInlineSnapshot(`
      "3:24 error[fetched-at-start] mcp_server.command: uvx fetches mcp-server-time@1.0 when it starts, and from network mode isolated no registry is reached (hint: install it in the image; the same command then runs what is installed:
      docker_backend:
        runtime_type: python
        python: { preinstall_packages: ["mcp-server-time==1.0"] })"
    `);
  });

  test('installs and ends where it is pip', () => {
    expect(
      check(spec({ backend: '{ runtime_type: python }', command: 'pip', args: ['install', 'x'] })),
    ).toMatchInlineSnapshot(`
      "3:24 error[fetched-at-start] mcp_server.command: pip install installs x and ends: it is no server (hint: install it in the image, and name the program that it brings as command:
      docker_backend:
        runtime_type: python
        python: { preinstall_packages: ["x"] })"
    `);
  });

  test.each([
    ['npx', ['x']],
    ['/usr/local/bin/npx', ['--yes', '--package=x', 'y']],
    ['npm', ['exec', '--', 'x']],
    ['bunx', ['x']],
    ['pnpm', ['dlx', 'x']],
    ['uv', ['tool', 'run', 'x']],
    ['pipx', ['run', '--spec', 'x', 'y']],
    ['npx', ['--unknown-option', 'x']],
    ['npx', []],
  ])('is found as %s %j', (command, args) => {
    expect(check(spec({ backend: node, command, args }))).toContain('error[fetched-at-start]');
  });

  test('is a warning where the image is one of the user, which may hold it, and a note on an open network', () => {
    const own = check(spec({ backend: '{ base_image: "mine:1" }', command: 'npx', args: ['x'] }));
    expect(own).toContain('warning[fetched-at-start]');
    const built = check(spec({ backend: '{ dockerfile_path: Dockerfile }', command: 'npx', args: ['x'] }));
    expect(built).toContain('hint: install it where the image is built (npm install --global x)');
    expect(check(spec({ backend: bridge, command: 'npx', args: ['x'] }))).toMatchInlineSnapshot(`
      "3:24 note[fetched-at-start] mcp_server.command: npx fetches x anew for each session, and can run it only from a /tmp with exec (security.tmpfs) (hint: install it in the image; the same command then runs what is installed:
      docker_backend:
        runtime_type: node
        node: { preinstall_packages: ["x"] })"
    `);
  });

  test('is no finding where the package is installed, by whatever spelling', () => {
    for (const args of [[server], ['-y', `${server}@1.2.0`, '/data'], ['-y', `${server}@latest`]]) {
      expect(check(spec({ backend: withServer, command: 'npx', args }))).toBe('');
    }
    for (const args of [['mcp-server-time'], ['mcp_server_time@1.0'], ['--from', 'mcp-server-time==1.0', 'other']]) {
      expect(check(spec({ backend: withTime, command: 'uvx', args }))).toBe('');
    }
    const others = '{ runtime_type: node, node: { package_json_file: package.json } }';
    expect(check(spec({ backend: others, command: 'npx', args: ['x'] }))).toBe('');
  });

  test('is one where another version is installed', () => {
    expect(check(spec({ backend: withServer, command: 'npx', args: [`${server}@2.0.0`] }))).toContain(
      `npx fetches ${server}@2.0.0`,
    );
  });

  test('that is no runner is left alone', () => {
    for (const [command, args] of [
      ['npm', ['start']],
      ['uv', ['run', 'server.py']],
      ['pip', ['--version']],
      ['./npx-like', ['x']],
    ] as const) {
      expect(load(spec({ backend: node, command, args })).diagnostics).toEqual([]);
    }
  });
});

describe('an installed package', () => {
  const argv = (parts: Parts): readonly string[] => {
    const { entrypoint = [], command = [] } = argvTemplateOf(only(spec(parts)).spec);
    return [...entrypoint, ...command];
  };

  test('of npm is run by its program, whatever that is called', () => {
    const words = argv({ backend: withServer, command: 'npx', args: ['-y', server, '--flag', '/data'] });
    expect(words.toSpliced(2, 1)).toEqual(['node', '-e', '--', server, '--flag', '/data']);
    expect(argv({ backend: withServer, command: 'npx', args: ['-p', server, 'files', '/data'] })).toEqual([
      'files',
      '/data',
    ]);
  });

  test('of Python is run by its own name, or the one that is given', () => {
    expect(argv({ backend: withTime, command: 'uvx', args: ['mcp-server-time@1.0', '--utc'] })).toEqual([
      'mcp-server-time',
      '--utc',
    ]);
    expect(argv({ backend: withTime, command: 'pipx', args: ['run', '--spec', 'mcp-server-time', 'other'] })).toEqual([
      'other',
    ]);
  });

  test('is nothing to a runner whose package is not there: it stays as it is written', () => {
    expect(argv({ backend: bridge, command: 'npx', args: ['-y', 'x'] })).toEqual(['npx', '-y', 'x']);
  });
});
