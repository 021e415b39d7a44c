import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSpecs } from '../../../src/app/plan/load-specs.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { localFiles } from '../../../src/files/local-files.ts';
import { asProjectName } from '../../../src/model/ids.ts';
import { noRules, type Policy } from '../../../src/model/policy.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'looms-load-specs-'));
  await mkdir(join(folder, 'there'));
  await chmod(join(folder, 'there'), 0o777);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Everything found in one file, with the folder left out; an engine is never asked. */
async function findings(text: string, policy?: Partial<Policy>, strict = false): Promise<string> {
  await writeFile(join(folder, 'mcp.yaml'), text);
  const files = localFiles({}, folder);
  const ports = {
    files,
    environment: {},
    workingDirectory: folder,
    now: () => 0,
    engineIsLocal: async () => true,
    engineAt: async (path: string) =>
      path.endsWith('/engine')
        ? { kind: 'socket', path: `${path}/any.sock` }
        : path.endsWith('/state')
          ? { kind: 'state', path: `${path}/deep` }
          : undefined,
  };
  const loaded = await loadSpecs(ports as unknown as Ports, {
    paths: ['mcp.yaml'],
    strict,
    policies: policy === undefined ? [] : [{ rules: { ...noRules, ...policy }, file: 'looms.yaml', lines: {} }],
    commits: 'none',
    project: asProjectName('p'),
  });
  return describeDiagnostics(loaded.diagnostics).replaceAll('mcp.yaml:', '').replaceAll(folder, '');
}

describe('links', () => {
  test('do not bring in what is never mounted, and lead to what is', async () => {
    await symlink('/', join(folder, 'root-link'));
    await symlink('there', join(folder, 'fine-link'));
    const text = `name: a
docker_backend:
  base_image: debian:bookworm-slim
  volume_mounts:
    - { source: ./root-link, target: /x }
    - { source: ./fine-link, target: /y }
mcp_server: { command: run }
`;
    expect(await findings(text)).toMatchInlineSnapshot(
      `"5:17 error[refused-mount] docker_backend.volume_mounts[0].source: /root-link leads to /: the root of the host is never mounted (hint: mount the folder that the server needs)"`,
    );
    const allowed = text.replace('    - { source: ./root-link, target: /x }\n', '');
    expect(await findings(allowed, { allowedMounts: [join(folder, 'fine-link')] })).toContain('/there is mounted');
  });
});

test('a folder with the socket of an engine in it is never mounted, also by a link to it', async () => {
  await mkdir(join(folder, 'engine'));
  await symlink('engine', join(folder, 'engine-link'));
  const text = `name: a
docker_backend:
  base_image: debian:bookworm-slim
  volume_mounts:
    - { source: ./engine, target: /x }
    - { source: ./engine-link, target: /y }
mcp_server: { command: run }
`;
  expect(await findings(text)).toMatchInlineSnapshot(`
    "5:17 error[refused-mount] docker_backend.volume_mounts[0].source: /engine is never mounted: /engine/any.sock is the socket of an engine, and gives the server the engine, and with it the host (hint: mount another folder)
    6:17 error[refused-mount] docker_backend.volume_mounts[1].source: /engine-link leads to /engine: /engine is never mounted: /engine/any.sock is the socket of an engine, and gives the server the engine, and with it the host (hint: mount another folder)"
  `);
});

test('a folder with the state of an engine in it is never mounted, nor one of a user’s engine that is not there', async () => {
  await mkdir(join(folder, 'state'));
  const text = (source: string) => `name: a
docker_backend:
  base_image: debian:bookworm-slim
  volume_mounts: [{ source: ${source}, target: /x }]
mcp_server: { command: run }
`;
  expect(await findings(text('./state'))).toContain('/state/deep is where an engine keeps its state');
  for (const source of ['/home/ann/.local/share/docker/volumes', '/var/snap', '/var/lib/rancher/k3s']) {
    expect(await findings(text(source))).toContain('refused-mount');
  }
});

test('a host path that the user of the server cannot use is warned of at its line, with what to do', async () => {
  for (const [name, mode] of [
    ['readable', 0o755],
    ['closed', 0o700],
    ['open', 0o757],
  ] as const) {
    await mkdir(join(folder, name));
    await chmod(join(folder, name), mode);
  }
  const text = (user: string): string => `name: a
docker_backend:
  base_image: debian:bookworm-slim
  security: { user: "${user}" }
  volume_mounts:
    - { source: ./readable, target: /a }
    - { source: ./readable, target: /b, read_only: true }
    - { source: ./closed, target: /c, read_only: true }
    - { source: ./open, target: /d }
mcp_server: { command: run }
`;
  const owner = `${process.getuid?.()}:${process.getgid?.()}`;
  const found = (await findings(text('4711:4712'))).replaceAll(`by ${owner},`, 'by OWNER,');
  expect(found).toMatchInlineSnapshot(`
    "6:17 warning[unusable-mount] docker_backend.volume_mounts[0].source: the server runs as 4711:4712 and cannot write /readable (owned by OWNER, mode 755) (hint: \`chown 4711:4712 /readable\`, or set security.user to its owner, or read_only: true where reading is enough)
    8:17 warning[unusable-mount] docker_backend.volume_mounts[2].source: the server runs as 4711:4712 and cannot read /closed (owned by OWNER, mode 700) (hint: \`chown 4711:4712 /closed\`, or set security.user to its owner)"
  `);
  for (const user of [owner, '0:0', 'somebody']) expect(await findings(text(user))).toBe('');
});

describe('everything that is wrong is found at once', () => {
  test('a host path that does not exist, next to any other error, at its own line', async () => {
    const text = `name: a
docker_backend:
  base_image: debian:bookworm-slim
  zork: 1
  volume_mounts:
    - { source: ./there, target: /x }
    - { source: ./nope, target: /y }
    - { source: ./neither, target: 5 }
`;
    expect(await findings(text)).toMatchInlineSnapshot(`
      "4:3 error[unknown-key] docker_backend.zork: docker_backend has no key zork (hint: valid keys: base_image, build_config, custom, description, dockerfile_path, environment, hostname, lifecycle, mcp_server, name, network, node, platform, pull_policy, python, resource_limits, runtime_type, security, volume_mounts, working_dir)
      7:17 error[file-not-found] docker_backend.volume_mounts[1].source: host path /nope does not exist (hint: mkdir -p /nope, or name a volume (without a slash))
      8:17 error[file-not-found] docker_backend.volume_mounts[2].source: host path /neither does not exist (hint: mkdir -p /neither, or name a volume (without a slash))
      8:36 error[wrong-type] docker_backend.volume_mounts[2].target: target: expected an absolute path in the container, got 5 (hint: write "5" with quotes)"
    `);
  });

  test('the policy, next to errors of the same document', async () => {
    const text = `docker_backend:
  base_image: debian
  resource_limits: { memory_mb: lots, cpu_cores: 4 }
  security: { cap_drop: [CHOWNN], cap_add: [NET_RAW, NET_ROW] }
`;
    const policy: Partial<Policy> = {
      maxCpuCores: 2,
      maxMemoryMiB: 256,
      maxPids: 50,
      forbiddenCapabilities: ['NET_RAW', 'CHOWN'],
    };
    expect(await findings(text, policy)).toMatchInlineSnapshot(`
      "1:1 error[missing-name] the server has no name (hint: add name: at the top of the document, or docker_backend.name)
      2:15 warning[policy-forbid-latest] docker_backend.base_image: image debian has no tag: what runs changes by itself
      3:3 error[policy-max-pids] docker_backend.resource_limits.pids_limit: pids_limit is 256 by default, at most 50 is allowed (hint: write docker_backend.resource_limits.pids_limit: 50, or less; looms.yaml says so)
      3:33 error[wrong-type] docker_backend.resource_limits.memory_mb: memory_mb: expected a whole number from 6 to 16777216, got "lots"
      3:50 error[policy-max-cpu-cores] docker_backend.resource_limits.cpu_cores: cpu_cores is 4, at most 2 is allowed (hint: looms.yaml says so)
      4:26 error[unknown-capability] docker_backend.security.cap_drop[0]: CHOWNN is not a Linux capability (hint: did you mean CHOWN?)
      4:44 error[policy-forbidden-capabilities] docker_backend.security.cap_add: capability NET_RAW is forbidden (hint: looms.yaml says so)
      4:54 error[unknown-capability] docker_backend.security.cap_add[1]: NET_ROW is not a Linux capability (hint: did you mean NET_RAW?)"
    `);
  });

  test('with --strict a credential does not hide an image that changes by itself', async () => {
    const text = 'name: a\ndocker_backend: { base_image: debian }\nmcp_server: { env: { API_KEY: abc } }\n';
    expect(await findings(text, undefined, true)).toMatchInlineSnapshot(`
      "2:31 warning[policy-forbid-latest] docker_backend.base_image: image debian has no tag: what runs changes by itself
      3:31 error[credential-literal] mcp_server.env.API_KEY: API_KEY looks like a credential, and its value stands in the file (hint: write \${secret:api_key} or \${API_KEY})"
    `);
  });

  test('a file that the image needs, next to any other error', async () => {
    const text = 'name: a\ndocker_backend: { dockerfile_path: nope/Dockerfile, zork: 1 }\n';
    expect(await findings(text)).toMatchInlineSnapshot(`
      "2:36 error[file-not-found] docker_backend.dockerfile_path: dockerfile_path names nope/Dockerfile: /nope/Dockerfile does not exist
      2:53 error[unknown-key] docker_backend.zork: docker_backend has no key zork (hint: valid keys: base_image, build_config, custom, description, dockerfile_path, environment, hostname, lifecycle, mcp_server, name, network, node, platform, pull_policy, python, resource_limits, runtime_type, security, volume_mounts, working_dir)"
    `);
  });
});

test('a breach by a default says that it is one, and what to write', async () => {
  const text = 'name: a\ndocker_backend: { runtime_type: node }\nmcp_server: { command: run }\n';
  const policy: Partial<Policy> = { allowedRegistries: ['ghcr.io'], maxMemoryMiB: 256, requiredLimits: ['cpu_cores'] };
  expect(await findings(text, policy)).toMatchInlineSnapshot(`
    "2:1 error[policy-allowed-registries] docker_backend.base_image: image node:24-slim, the default of this runtime_type, comes from docker.io, which is not one of: ghcr.io (hint: write docker_backend.base_image with an image that the policy allows; looms.yaml says so)
    2:1 error[policy-max-memory-mb] docker_backend.resource_limits.memory_mb: memory_mb is 512 by default, at most 256 is allowed (hint: write docker_backend.resource_limits.memory_mb: 256, or less; looms.yaml says so)
    2:1 error[policy-required-limits] docker_backend.resource_limits.cpu_cores: resource_limits.cpu_cores must be given (hint: write docker_backend.resource_limits.cpu_cores; looms.yaml says so)"
  `);
});

test('a quota that the files break by themselves is told at the first server that is too much', async () => {
  const server = (name: string, more = ''): string =>
    `name: ${name}\ndocker_backend: { base_image: "debian:12" }\nmcp_server: { command: run${more} }\n`;
  const text = [server('a'), server('b', ', enabled: false'), server('c')].join('---\n');
  const quota = {
    maxServers: 2,
    maxTotalMemoryMiB: 1023,
    maxTotalCpuCores: 2,
    reason: 'a small machine',
    exceptions: [],
  };
  expect(await findings(text, { projects: { 'p*': quota, q: { maxServers: 0, exceptions: [] } } })).toBe(
    [
      '9:7 error[policy-max-servers] name: project p would have 3 servers in all, at most 2 are allowed (hint: looms.yaml says so: a small machine)',
      '9:7 error[policy-max-total-memory-mb] name: project p would have 1024 MiB of memory in all, at most 1023 are allowed (hint: looms.yaml says so: a small machine)',
    ].join('\n'),
  );
});

test('a quota counts each container that a server may have', async () => {
  const text = (count: string): string =>
    `name: a\ndocker_backend: { base_image: "debian:12" }\nmcp_server: { command: run, ${count} }\n`;
  const projects = { p: { maxTotalMemoryMiB: 1023, maxTotalCpuCores: 2, exceptions: [] } };
  expect(await findings(text('replicas: 1'), { projects })).toBe('');
  for (const count of ['replicas: 3', 'scale: { min: 0, max: 3 }']) {
    expect(await findings(text(count), { projects })).toContain(
      'project p would have 1536 MiB of memory in all, at most 1023',
    );
  }
});

test('a quota of severity warn warns; one that is an error holds beside it, and is told alone where both are broken', async () => {
  const text = 'name: a\ndocker_backend: { base_image: "debian:12" }\nmcp_server: { command: run }\n';
  const warn = { maxServers: 0, severity: 'warn', exceptions: [] } as const;
  expect(await findings(text, { projects: { 'p*': warn } })).toMatch(/^\S+ warning\[policy-max-servers\]/);
  const error = (maxServers: number) => ({ p: { maxServers, exceptions: [] } });
  expect(await findings(text, { projects: { 'p*': warn, ...error(1) } })).toMatch(/^\S+ warning\[policy-max-servers\]/);
  expect(await findings(text, { projects: { 'p*': warn, ...error(0) } })).toMatch(/^\S+ error\[[^\n]*$/);
});

test('a quota is not held against a project that is excepted, until the day after; what another says still is', async () => {
  const text = 'name: a\ndocker_backend: { base_image: "debian:12" }\nmcp_server: { command: run }\n';
  const quota = (project: string, until: string) => ({
    '*': { maxServers: 0, exceptions: [{ project, until }] },
  });
  expect(await findings(text, { projects: quota('p*', '2099-12-31') })).toBe('');
  expect(await findings(text, { projects: quota('q', '2099-12-31') })).toContain('at most 0 are allowed');
  expect(await findings(text, { projects: quota('p*', '1969-01-01') })).toContain(
    'looms.yaml says so: its exception ended with 1969-01-01',
  );
  const both = { ...quota('p*', '2099-12-31'), p: { maxServers: 0, reason: 'closed', exceptions: [] } };
  expect(await findings(text, { projects: both })).toContain('looms.yaml says so: closed)');
});
