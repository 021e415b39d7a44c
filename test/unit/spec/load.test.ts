import { describe, expect, test } from 'vitest';
import { check, document } from './checking.ts';

describe('what a document may hold', () => {
  test('a document needs docker_backend', () => {
    expect(check(['name: fs', 'mcp_server: {}'].join('\n'))).toMatchInlineSnapshot(
      `"1:1 error[missing-key] the document needs docker_backend (hint: for example docker_backend: { runtime_type: node, node: { preinstall_packages: ["PACKAGE@VERSION"] } }; \`looms init\` writes a whole spec)"`,
    );
  });

  test('a document that is no map says so', () => {
    expect(check(['- a', '- b'].join('\n'))).toMatchInlineSnapshot(
      `"1:1 error[wrong-type] the document: expected a map (key: value), got a list"`,
    );
  });

  test('text in place of a document says so', () => {
    expect(check(['hello'].join('\n'))).toMatchInlineSnapshot(
      `"1:1 error[wrong-type] the document: expected a map (key: value), got "hello""`,
    );
  });

  test('an unknown key names the nearest valid one', () => {
    expect(check(document({ backend: ['base_imag: x'] }))).toMatchInlineSnapshot(
      `"4:3 error[unknown-key] docker_backend.base_imag: docker_backend has no key base_imag (hint: did you mean base_image?)"`,
    );
  });

  test('what one key of a map takes, in place of the map, is told how it is written', () => {
    expect(
      check(document({ backend: ['network: bridge', 'lifecycle: unless-stopped', 'node: 22'] })),
    ).toMatchInlineSnapshot(`
        "4:12 error[wrong-type] docker_backend.network: network: expected a map (key: value), got "bridge" (hint: write { mode: bridge })
        5:14 error[wrong-type] docker_backend.lifecycle: lifecycle: expected a map (key: value), got "unless-stopped" (hint: write { restart: unless-stopped })
        6:3 error[no-effect] docker_backend.node: node has no effect without runtime_type: node (hint: remove it, or set runtime_type: node)
        6:9 error[wrong-type] docker_backend.node: node: expected a map (key: value), got 22"
      `);
  });

  test('an unknown key that is valid elsewhere says where', () => {
    expect(check(document({ backend: ['memory_mb: 512'] }))).toMatchInlineSnapshot(
      `"4:3 error[unknown-key] docker_backend.memory_mb: docker_backend has no key memory_mb (hint: memory_mb belongs into docker_backend.resource_limits)"`,
    );
  });

  test('an unknown key with nothing near lists the valid ones', () => {
    expect(check(document({ mcp: ['command: run', 'zzz: 1'] }))).toMatchInlineSnapshot(
      `"6:3 error[unknown-key] mcp_server.zzz: mcp_server has no key zzz (hint: valid keys: args, command, enabled, env, env_from, path, port, protocol, replicas, scale, timeout_seconds, tools, transport)"`,
    );
  });

  test('an unknown camelCase key is checked like the others', () => {
    expect(check(document({ backend: ['resourceLimits: { memoryMB: 3 }'] }))).toMatchInlineSnapshot(
      `"4:21 error[unknown-key] docker_backend.resource_limits.memory_m_b: docker_backend.resource_limits has no key memoryMB (hint: did you mean memory_mb?)"`,
    );
  });

  test('a key given twice shows both lines', () => {
    expect(check(document({ backend: ['platform: linux/amd64', 'platform: linux/arm64'] }))).toMatchInlineSnapshot(
      `"5:3 error[duplicate-key] docker_backend.platform: platform is given twice [4:3 first here]"`,
    );
  });

  test('a key given in both spellings shows both lines', () => {
    expect(check(document({ backend: ['pull_policy: always', 'pullPolicy: never'] }))).toMatchInlineSnapshot(
      `"5:3 error[duplicate-key] docker_backend.pull_policy: pullPolicy is given twice [4:3 first here]"`,
    );
  });

  test('keys starting with x- are ignored', () => {
    expect(
      check(document({ backend: ['x-anything: { at: all }', 'resource_limits: { x-note: 1 }'] })),
    ).toMatchInlineSnapshot(`""`);
  });

  test('a map where text belongs says so', () => {
    expect(check(document({ backend: ['platform: { os: linux }'] }))).toMatchInlineSnapshot(
      `"4:13 error[wrong-type] docker_backend.platform: platform: expected a platform such as linux/amd64, got a map"`,
    );
  });

  test('text where a map belongs says so', () => {
    expect(check(document({ backend: ['resource_limits: lots'] }))).toMatchInlineSnapshot(
      `"4:20 error[wrong-type] docker_backend.resource_limits: resource_limits: expected a map (key: value), got "lots""`,
    );
  });

  test('text where a list belongs shows the list to write', () => {
    expect(check(document({ mcp: ['command: run', 'args: stdio'] }))).toMatchInlineSnapshot(
      `"6:9 error[wrong-type] mcp_server.args: args: expected a list, got "stdio" (hint: write a list: [stdio])"`,
    );
  });

  test('an environment written as a list shows what to write', () => {
    expect(check(document({ mcp: ['command: run', 'env: [A=1]'] }))).toMatchInlineSnapshot(
      `"6:8 error[wrong-type] mcp_server.env: env: expected a map (key: value), got a list (hint: write NAME: value, one a line)"`,
    );
  });

  test('a wrong number names its bounds', () => {
    expect(
      check(
        document({
          backend: ['resource_limits: { cpu_cores: abc, memory_mb: 5, pids_limit: 1.5, execution_timeout_seconds: 0 }'],
        }),
      ),
    ).toMatchInlineSnapshot(`
      "4:33 error[wrong-type] docker_backend.resource_limits.cpu_cores: cpu_cores: expected a number from 0.01 to 1024, got "abc"
      4:49 error[invalid-value] docker_backend.resource_limits.memory_mb: memory_mb: expected a whole number from 6 to 16777216, got 5
      4:64 error[wrong-type] docker_backend.resource_limits.pids_limit: pids_limit: expected a whole number from 1 to 4194304, got 1.5
      4:96 error[invalid-value] docker_backend.resource_limits.execution_timeout_seconds: execution_timeout_seconds: expected a whole number from 1 to 86400, got 0"
    `);
  });

  test('a number in quotes says so', () => {
    expect(check(document({ backend: ['resource_limits: { memory_mb: "512" }'] }))).toMatchInlineSnapshot(
      `"4:33 error[wrong-type] docker_backend.resource_limits.memory_mb: memory_mb: expected a whole number from 6 to 16777216, got "512" (hint: remove the quotes)"`,
    );
  });

  test.each([
    ['resource_limits: { memory_mb: 512MB }', 'write 512: memory_mb is in MiB'],
    ['resource_limits: { memory_mb: 1.5Gi }', 'write 1536: memory_mb is in MiB'],
    ['resource_limits: { memory_mb: 512x }', 'memory_mb is a number of MiB'],
    ['resource_limits: { cpu_cores: 500m }', 'write 0.5: cpu_cores is in cores'],
    ['resource_limits: { execution_timeout_seconds: 5m }', 'write 300: execution_timeout_seconds is in seconds'],
    ['resource_limits: { execution_timeout_seconds: 1500ms }', 'write 2: execution_timeout_seconds is in seconds'],
    ['lifecycle: { rotation_interval_hours: 2 days }', 'write 48: rotation_interval_hours is in hours'],
  ])('a number with a unit behind it says what to write: %s', (line, hint) => {
    expect(check(document({ backend: [line] }))).toContain(`(hint: ${hint})`);
  });

  test('a truth value in quotes says so', () => {
    expect(check(document({ mcp: ['command: run', 'enabled: "true"'] }))).toMatchInlineSnapshot(
      `"6:12 error[wrong-type] mcp_server.enabled: enabled: expected true or false, got "true" (hint: remove the quotes)"`,
    );
  });

  test('a number where text belongs says how to write it', () => {
    expect(check(document({ backend: ['description: 5'] }))).toMatchInlineSnapshot(
      `"4:16 error[wrong-type] docker_backend.description: description: expected text, got 5 (hint: write "5" with quotes)"`,
    );
  });

  test('a field without a value says what it needs', () => {
    expect(check(document({ backend: ['platform:', 'pull_policy:'] }))).toMatchInlineSnapshot(`
      "4:12 error[wrong-type] docker_backend.platform: platform: expected a platform such as linux/amd64, got nothing
      5:15 error[invalid-value] docker_backend.pull_policy: pull_policy: expected one of missing, always, never, got nothing"
    `);
  });

  test('an empty map or list counts as absent', () => {
    expect(check(document({ backend: ['resource_limits:', 'volume_mounts:', 'python:'] }))).toMatchInlineSnapshot(`""`);
  });

  test('a wrong choice names the near one', () => {
    expect(check(document({ backend: ['pull_policy: alway'] }))).toMatchInlineSnapshot(
      `"4:16 error[invalid-value] docker_backend.pull_policy: pull_policy: expected one of missing, always, never, got "alway" (hint: did you mean always?)"`,
    );
  });

  test('an environment variable without a value is an error', () => {
    expect(check(document({ mcp: ['command: run', 'env: { A: }'] }))).toMatchInlineSnapshot(
      `"6:13 error[wrong-type] mcp_server.env.A: A: expected text, a number, true or false, got nothing"`,
    );
  });

  test('a name of a variable must be one', () => {
    expect(check(document({ mcp: ['command: run', 'env: { "A B": x }'] }))).toMatchInlineSnapshot(
      `"6:10 error[invalid-key] mcp_server.env["A B"]: "A B" is not a variable name of letters, digits and underscores"`,
    );
  });

  test('all errors of all documents come at once', () => {
    expect(
      check(
        `name: A\ndocker_backend: { base_image: x, zork: 1 }\n---\nname: b\ndocker_backend: { runtime_type: [] }\n---\nname: [\n---\nname: c\ndocker_backend: { base_image: x }\n`,
      ),
    ).toMatchInlineSnapshot(`
      "1:7 error[invalid-name] name: "A" is not a lower-case DNS label of at most 40 characters (hint: write name: a)
      2:34 error[unknown-key] docker_backend.zork: docker_backend has no key zork (hint: valid keys: base_image, build_config, custom, description, dockerfile_path, environment, hostname, lifecycle, mcp_server, name, network, node, platform, pull_policy, python, resource_limits, runtime_type, security, volume_mounts, working_dir)
      5:33 error[wrong-type] docker_backend.runtime_type: runtime_type: expected one of python, node, custom, got a list
      7:7 error[yaml-syntax] this [ is never closed (hint: add ] where it shall end)"
    `);
  });

  test('a server without a name says where one can stand', () => {
    expect(check(document({ top: [] }))).toMatchInlineSnapshot(
      `"1:1 error[missing-name] the server has no name (hint: add name: at the top of the document, or docker_backend.name)"`,
    );
  });

  test('a name that is no DNS label gets a proposal', () => {
    expect(check(document({ top: ['name: My_Server'] }))).toMatchInlineSnapshot(
      `"1:7 error[invalid-name] name: "My_Server" is not a lower-case DNS label of at most 40 characters (hint: write name: my-server)"`,
    );
  });

  test('a backend name that is no DNS label gets a proposal too', () => {
    expect(check(document({ top: [], backend: ['name: my_backend'] }))).toMatchInlineSnapshot(
      `"3:9 error[invalid-name] docker_backend.name: "my_backend" is not a lower-case DNS label of at most 40 characters (hint: add name: my-backend at the top)"`,
    );
  });

  test('two documents of one name show both lines', () => {
    expect(check(`${document({})}---\n${document({})}`)).toMatchInlineSnapshot(
      `"7:7 error[duplicate-name] name: two servers are called fs [1:7 first here] (hint: give one of them another name)"`,
    );
  });

  test('mcp_server in two places with different content shows both lines', () => {
    expect(check(document({ backend: ['mcp_server: { command: other }'] }))).toMatchInlineSnapshot(
      `"4:3 error[mcp-server-conflict] docker_backend.mcp_server: mcp_server stands in two places with different content [5:1 the other one is here] (hint: keep one of them)"`,
    );
  });
});
