/**
 * A whole MCP server in a few lines of shell: it answers at once, so that what is measured is everything around it.
 */
export const shellServer = [
  'while IFS= read -r line; do',
  // A client may name a request by a number or by a text.
  '  id=$(printf %s "$line" | sed -n \'s/.*"id":\\([^,}]*\\).*/\\1/p\')',
  '  case "$line" in',
  '    *\'"initialize"\'*) echo \'{"jsonrpc":"2.0","id":\'"$id"\',"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"shell","version":"1"}}}\' ;;',
  '    *tools/list*) echo \'{"jsonrpc":"2.0","id":\'"$id"\',"result":{"tools":[]}}\' ;;',
  '  esac',
  'done',
].join('\n');

/** argv of the server above. */
export const shellArgv = ['sh', '-c', shellServer];

export const names = (count) => Array.from({ length: count }, (_, index) => `s${String(index + 1).padStart(2, '0')}`);

/**
 * @param {number} count
 * @param {{ image: string, argv: readonly string[] }} server
 * @returns {string} so many documents for looms
 */
export const loomsSpecs = (count, server) =>
  names(count)
    .map((name) =>
      JSON.stringify({
        name,
        docker_backend: { runtime_type: 'custom', base_image: server.image },
        mcp_server: { command: server.argv[0], args: server.argv.slice(1) },
      }),
    )
    .join('\n---\n');

/**
 * @param {string} name
 * @returns {string} one document as people write it
 */
export const yamlSpec = (name) => `name: ${name}
docker_backend:
  runtime_type: custom
  base_image: debian:bookworm-slim
  environment:
    LOG_LEVEL: info
    REGION: eu-1
  resource_limits:
    memory_mb: 512
    cpu_cores: 1
mcp_server:
  command: sh
  args:
    - -c
    - "cat"
`;

/**
 * @param {number} count
 * @param {{ image: string, command: readonly string[] }} service
 * @returns {string} a Compose file with the same hardening, as far as Compose has it
 */
export const composeFile = (count, service) =>
  JSON.stringify({
    services: Object.fromEntries(
      names(count).map((name) => [
        name,
        {
          image: service.image,
          command: service.command,
          init: true,
          user: '1000:1000',
          read_only: true,
          cap_drop: ['ALL'],
          security_opt: ['no-new-privileges:true'],
          mem_limit: '512m',
          cpus: 1,
          pids_limit: 100,
          restart: 'unless-stopped',
          tmpfs: ['/tmp', '/workspace'],
        },
      ]),
    ),
    networks: { default: { internal: true } },
  });
