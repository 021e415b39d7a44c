import { specs } from './tiny-server.ts';

/** One recipe for all of npm's, so that one image is built. */
const nodePackages = [
  '@modelcontextprotocol/server-sequential-thinking@2026.8.31',
  '@coo-quack/calc-mcp@2.1.1',
  'time-mcp@1.0.6',
  '@bytebase/dbhub@1.4.0',
];

const nodeSpec = (name: string, mcp: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify({
    name,
    docker_backend: { runtime_type: 'node', node: { preinstall_packages: nodePackages } },
    mcp_server: mcp,
  })}\n`;

/** The server works on a repository, which its image has. */
const gitSpec = `${JSON.stringify({
  name: 'git',
  docker_backend: {
    build_config: {
      from_image: 'python:3.13-slim',
      run_commands: [
        'apt-get update -q && apt-get install -qy --no-install-recommends git',
        'pip install --no-cache-dir mcp-server-git==2026.10.19',
        'git init -q /repo && git -C /repo -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m "the first"',
        'chown -R 1000:1000 /repo',
      ],
    },
  },
  mcp_server: { command: 'mcp-server-git', args: ['--repository', '/repo'] },
})}\n`;

/** Servers that others wrote, beside those of the examples, each for an oddity of its own. */
export const thirdParty = specs(
  // As its own page says to start it; what is installed is called otherwise.
  nodeSpec('thinking', { command: 'npx', args: ['-y', '@modelcontextprotocol/server-sequential-thinking'] }),
  nodeSpec('calc', { command: 'calc-mcp' }),
  // Prints a line on stdout that is no message.
  nodeSpec('stray', { command: 'time-mcp' }),
  // Speaks the stateless revision, beside `initialize`.
  nodeSpec('dbhub', { command: 'dbhub', args: ['--transport', 'stdio', '--demo'], protocol: 'auto' }),
  gitSpec,
);
