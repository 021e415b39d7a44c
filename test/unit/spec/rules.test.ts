import { describe, expect, test } from 'vitest';
import { loadDocuments } from '../../../src/spec/load.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';
import { check, document, only } from './checking.ts';

describe('docker_backend.hostname', () => {
  const withName = (name: string): string => check(document({ backend: [`hostname: ${JSON.stringify(name)}`] }));

  test.each(['files', 'Files-1.example', 'a'.repeat(63), '0123456789a', '0123456789abc'])('may be %s', (name) => {
    expect(withName(name)).toBe('');
  });

  test.each(['-a', 'a-', 'a_b', 'a..b', '.a', 'a.', 'a b', 'ä', 'a'.repeat(64)])('is no host name as %s', (name) => {
    expect(withName(name)).toMatch(
      /^4:13 error\[invalid-value\] docker_backend\.hostname: .*hint: write it as files or/,
    );
  });

  test('does not pass for the id of a container, by which looms addresses it', () => {
    expect(withName('0123456789ab')).toMatchInlineSnapshot(
      `"4:13 error[invalid-value] docker_backend.hostname: hostname: expected a host name: at most 63 letters, digits, dots and inner hyphens, not 12 digits as ids of containers have, got "0123456789ab" (hint: write it as files or files-1.example)"`,
    );
  });

  test.each(['localhost', 'a.LocalHost', '127.0.0.1', '10'])('is nobody’s own as %s', (name) => {
    expect(withName(name)).toMatch(/^4:13 error\[invalid-value\] docker_backend\.hostname: .* means something else/);
  });

  test('is not the name of another server, whose callers it would share', () => {
    const file = (name: string, text: string) => ({ file: name, directory: '/', text });
    const other = document({ backend: ['hostname: FS'] }).replace('name: fs', 'name: other');
    const { diagnostics } = loadDocuments([file('a.yaml', document({})), file('b.yaml', other)], {
      environment: {},
      strict: false,
    });
    expect(describeDiagnostics(diagnostics)).toMatchInlineSnapshot(
      `"b.yaml:4:13 error[taken-hostname] docker_backend.hostname: FS is the name of another server, which would share its callers with this one [a.yaml:1:7 the other server] (hint: give it another hostname)"`,
    );
    expect(check(document({ backend: ['hostname: fs'] }))).toBe('');
  });

  test('counts as the engine’s own where a file says nothing', () => {
    expect(only(document({})).spec.hostname).toBe('');
    expect(only(document({ backend: ['hostname: files'] })).spec.hostname).toBe('files');
  });
});

describe('rules across fields', () => {
  test('files of a read-only root cannot be preserved', () => {
    expect(check(document({ backend: ['lifecycle: { preserve: [/state] }'] }))).toMatchInlineSnapshot(
      `"4:16 error[no-effect] docker_backend.lifecycle.preserve: preserve has no effect: with a read-only root file system there is nothing in the container to keep (hint: mount a volume there, or set security.read_only_root: false)"`,
    );
    expect(
      check(document({ backend: ['security: { read_only_root: false }', 'lifecycle: { preserve: [/state] }'] })),
    ).toBe('');
  });

  test('only files of the container itself are preserved: not what is mounted or in memory', () => {
    const findings = (path: string): string =>
      check(
        document({
          backend: [
            'security: { read_only_root: false }',
            'volume_mounts: [{ source: data, target: /data/sub }]',
            `lifecycle: { preserve: [${path}] }`,
          ],
        }),
      );
    expect(findings('/state')).toBe('');
    expect(findings('/database')).toBe('');
    expect(findings('/data/sub/x')).toMatchInlineSnapshot(
      `"6:27 error[no-effect] docker_backend.lifecycle.preserve[0]: /data/sub/x has no files of the container itself: /data/sub is mounted, or in memory (hint: a named volume outlives every replacement; what is in memory goes with the container)"`,
    );
    expect(findings('/tmp')).toMatchInlineSnapshot(
      `"6:27 error[no-effect] docker_backend.lifecycle.preserve[0]: /tmp has no files of the container itself: /tmp is mounted, or in memory (hint: a named volume outlives every replacement; what is in memory goes with the container)"`,
    );
    expect(findings('/data')).toMatchInlineSnapshot(
      `"6:27 error[invalid-mount] docker_backend.lifecycle.preserve[0]: /data/sub is mounted, or in memory, below /data: its files would be copied, and written back, with it (hint: name the folders beside /data/sub instead)"`,
    );
  });

  test('two image sources show both lines', () => {
    expect(check(document({ backend: ['dockerfile_path: Dockerfile'] }))).toMatchInlineSnapshot(
      `"4:3 error[image-source-conflict] docker_backend.dockerfile_path: base_image and dockerfile_path each name an image source; a server has one [3:3 base_image is here] (hint: keep one of base_image, dockerfile_path)"`,
    );
  });

  test('three image sources show all lines', () => {
    expect(
      check(document({ backend: ['dockerfile_path: Dockerfile', 'build_config: { from_image: x }'] })),
    ).toMatchInlineSnapshot(
      `"5:3 error[image-source-conflict] docker_backend.build_config: base_image, dockerfile_path and build_config each name an image source; a server has one [3:3 base_image is here] [4:3 dockerfile_path is here] (hint: keep one of base_image, dockerfile_path, build_config)"`,
    );
  });

  test('without an image source runtime_type is needed', () => {
    expect(check(['name: a', 'docker_backend: {}'].join('\n'))).toMatchInlineSnapshot(
      `"2:1 error[image-source-missing] docker_backend: docker_backend needs runtime_type, or one of base_image, dockerfile_path, build_config (hint: add runtime_type: python or runtime_type: node)"`,
    );
  });

  test('without an image source, a python section says which runtime_type', () => {
    expect(
      check(['name: a', "docker_backend: { python: { python_version: '3.11' } }"].join('\n')),
    ).toMatchInlineSnapshot(
      `"2:1 error[image-source-missing] docker_backend: docker_backend needs runtime_type, or one of base_image, dockerfile_path, build_config (hint: add runtime_type: python)"`,
    );
  });

  test('custom without an image source is an error', () => {
    expect(check(['name: a', 'docker_backend: { runtime_type: custom }'].join('\n'))).toMatchInlineSnapshot(
      `"2:33 error[image-source-missing] docker_backend.runtime_type: runtime_type custom needs one of base_image, dockerfile_path, build_config"`,
    );
  });

  test('ruby, rust and go are reserved', () => {
    expect(check(document({ backend: ['runtime_type: RUNTIME_TYPE_RUBY'] }))).toMatchInlineSnapshot(
      `"4:17 error[invalid-value] docker_backend.runtime_type: runtime_type RUNTIME_TYPE_RUBY is reserved, not implemented (hint: use python, node or custom; custom runs any image or Dockerfile)"`,
    );
  });

  test('go in lower case is reserved too', () => {
    expect(check(document({ backend: ['runtime_type: go'] }))).toMatchInlineSnapshot(
      `"4:17 error[invalid-value] docker_backend.runtime_type: runtime_type go is reserved, not implemented (hint: use python, node or custom; custom runs any image or Dockerfile)"`,
    );
  });

  test('another runtime is a wrong choice', () => {
    expect(check(document({ backend: ['runtime_type: pyton'] }))).toMatchInlineSnapshot(
      `"4:17 error[invalid-value] docker_backend.runtime_type: runtime_type: expected one of python, node, custom, got "pyton" (hint: did you mean python?)"`,
    );
  });

  test('a section of another runtime has no effect', () => {
    expect(
      check(document({ backend: ['runtime_type: node', "python: { python_version: '3.11' }"] })),
    ).toMatchInlineSnapshot(
      `"5:3 error[no-effect] docker_backend.python: python has no effect without runtime_type: python (hint: remove it, or set runtime_type: python)"`,
    );
  });

  test('packages beside a Dockerfile have no effect', () => {
    expect(
      check(
        [
          'name: a',
          'docker_backend:',
          '  runtime_type: python',
          '  dockerfile_path: Dockerfile',
          '  python: { preinstall_packages: [x] }',
        ].join('\n'),
      ),
    ).toMatchInlineSnapshot(
      `"5:3 error[no-effect] docker_backend.python: python has no effect with dockerfile_path (hint: install the packages there, or remove dockerfile_path)"`,
    );
  });

  test('a version that base_image overrules is a warning', () => {
    expect(
      check(
        [
          'name: a',
          'docker_backend:',
          '  runtime_type: python',
          '  base_image: python:3.11-slim',
          "  python: { python_version: '3.13', preinstall_packages: [x] }",
        ].join('\n'),
      ),
    ).toMatchInlineSnapshot(
      `"5:29 warning[version-ignored] docker_backend.python.python_version: python_version 3.13 is ignored: base_image is python:3.11-slim [4:3 base_image is here] (hint: remove one of the two)"`,
    );
  });

  test('python without a command would run an interpreter', () => {
    expect(check(['name: a', 'docker_backend: { runtime_type: python }'].join('\n'))).toMatchInlineSnapshot(
      `"2:1 error[missing-command] docker_backend: the image python starts an interpreter, not a server: mcp_server.command is missing (hint: add command: with the program that the packages install)"`,
    );
  });

  test('an image reference that is none is an error', () => {
    expect(check(['name: a', "docker_backend: { base_image: 'a//b' }"].join('\n'))).toMatchInlineSnapshot(
      `"2:31 error[invalid-image] docker_backend.base_image: a//b is not an image reference (hint: write it as name:tag, registry/name:tag or name@sha256:…)"`,
    );
  });

  test('an image in upper case is an error', () => {
    expect(check(['name: a', 'docker_backend: { base_image: Debian }'].join('\n'))).toMatchInlineSnapshot(
      `"2:31 error[invalid-value] docker_backend.base_image: base_image: expected an image reference such as python:3.13-slim, got "Debian""`,
    );
  });

  test('build_config needs from_image', () => {
    expect(
      check(['name: a', 'docker_backend: { build_config: { run_commands: [x] } }'].join('\n')),
    ).toMatchInlineSnapshot(`"2:19 error[missing-key] docker_backend.build_config: build_config needs from_image"`);
  });

  test('a package that is an option is an error', () => {
    expect(
      check(
        [
          'name: a',
          'docker_backend: { runtime_type: node, node: { preinstall_packages: [--global] } }',
          'mcp_server: { command: x }',
        ].join('\n'),
      ),
    ).toMatchInlineSnapshot(
      `"2:69 error[invalid-package] docker_backend.node.preinstall_packages[0]: "--global" is not the name of a package (hint: one package an entry, without options)"`,
    );
  });

  test('build input stays in the folder of the spec', () => {
    expect(check(['name: a', 'docker_backend: { dockerfile_path: ../Dockerfile }'].join('\n'))).toMatchInlineSnapshot(
      `"2:36 error[invalid-path] docker_backend.dockerfile_path: ../Dockerfile leaves the folder of the spec (hint: only host paths of volume_mounts may contain ..)"`,
    );
  });

  test('build input is not absolute', () => {
    expect(
      check(
        [
          'name: a',
          'docker_backend: { build_config: { from_image: x, copy_files: [/etc/passwd /x, one, a b c], ca_certificates: ~/ca.pem } }',
        ].join('\n'),
      ),
    ).toMatchInlineSnapshot(`
      "2:63 error[invalid-path] docker_backend.build_config.copy_files[0]: /etc/passwd is absolute (hint: write it relative to this file: the same spec must work from every checkout)
      2:79 error[invalid-copy] docker_backend.build_config.copy_files[1]: "one": expected "source destination"
      2:84 error[invalid-copy] docker_backend.build_config.copy_files[2]: "a b c": expected "source destination"
      2:109 error[invalid-path] docker_backend.build_config.ca_certificates: ~ has no meaning in ~/ca.pem (hint: write it relative to this file)"
    `);
  });

  test('a mount of the root is refused', () => {
    expect(check(document({ backend: ['volume_mounts: [{ source: /, target: /x }]'] }))).toMatchInlineSnapshot(
      `"4:29 error[refused-mount] docker_backend.volume_mounts[0].source: the root of the host is never mounted (hint: mount the folder that the server needs)"`,
    );
  });

  test('a mount that leads to the root is refused', () => {
    expect(check(document({ backend: ['volume_mounts: [{ source: ../.., target: /x }]'] }))).toMatchInlineSnapshot(
      `"4:29 error[refused-mount] docker_backend.volume_mounts[0].source: the root of the host is never mounted (hint: mount the folder that the server needs)"`,
    );
  });

  test("a mount of the engine's socket is refused", () => {
    expect(
      check(document({ backend: ['volume_mounts: [{ source: /var/run/docker.sock, target: /x }]'] })),
    ).toMatchInlineSnapshot(
      `"4:29 error[refused-mount] docker_backend.volume_mounts[0].source: /var/run/docker.sock is never mounted: it gives the server the engine, and with it the host (hint: mount another folder)"`,
    );
  });

  test("a folder above the engine's own is refused", () => {
    expect(check(document({ backend: ['volume_mounts: [{ source: /var/lib, target: /x }]'] }))).toMatchInlineSnapshot(
      `"4:29 error[refused-mount] docker_backend.volume_mounts[0].source: /var/lib is never mounted: it gives the server the engine, and with it the host (hint: mount another folder)"`,
    );
  });

  test("a rootless engine's socket is refused", () => {
    expect(
      check(document({ backend: ['volume_mounts: [{ source: /run/user/1000/docker.sock, target: /x }]'] })),
    ).toMatchInlineSnapshot(
      `"4:29 error[refused-mount] docker_backend.volume_mounts[0].source: /run/user/1000/docker.sock is never mounted: it gives the server the engine, and with it the host (hint: mount another folder)"`,
    );
  });

  test("a mount of the kernel's file systems is refused", () => {
    expect(check(document({ backend: ['volume_mounts: [{ source: /proc/1, target: /x }]'] }))).toMatchInlineSnapshot(
      `"4:29 error[refused-mount] docker_backend.volume_mounts[0].source: /proc/1 is never mounted: it gives the server the kernel of the host (hint: mount another folder)"`,
    );
  });

  test('a home shorthand is refused', () => {
    expect(check(document({ backend: ['volume_mounts: [{ source: ~/x, target: /x }]'] }))).toMatchInlineSnapshot(
      `"4:29 error[invalid-mount] docker_backend.volume_mounts[0].source: ~ has no meaning in ~/x (hint: write \${HOME}/…)"`,
    );
  });

  test('a relative path without ./ is neither path nor volume', () => {
    expect(check(document({ backend: ['volume_mounts: [{ source: data/x, target: /x }]'] }))).toMatchInlineSnapshot(
      `"4:29 error[invalid-mount] docker_backend.volume_mounts[0].source: data/x is neither a path nor the name of a volume (hint: for a path write ./data/x)"`,
    );
  });

  test('a volume needs a proper name', () => {
    expect(check(document({ backend: ["volume_mounts: [{ source: '@x', target: /x }]"] }))).toMatchInlineSnapshot(
      `"4:29 error[invalid-mount] docker_backend.volume_mounts[0].source: @x is not the name of a volume (hint: use letters, digits, ".", "_" and "-")"`,
    );
  });

  test('a mount needs source and target', () => {
    expect(check(document({ backend: ['volume_mounts: [{ target: /x }, { source: ./x }]'] }))).toMatchInlineSnapshot(`
      "4:19 error[missing-key] docker_backend.volume_mounts[0]: a mount needs source
      4:35 error[missing-key] docker_backend.volume_mounts[1]: a mount needs target"
    `);
  });

  test('a target is absolute and clean', () => {
    expect(
      check(
        document({
          backend: [
            'volume_mounts: [{ source: a, target: x }, { source: b, target: /x/../y }, { source: c, target: / }, { source: d, target: /proc/x }]',
          ],
        }),
      ),
    ).toMatchInlineSnapshot(`
      "4:40 error[invalid-value] docker_backend.volume_mounts[0].target: target: expected an absolute path in the container, got "x"
      4:66 error[invalid-path] docker_backend.volume_mounts[1].target: /x/../y contains ..
      4:98 error[invalid-path] docker_backend.volume_mounts[2].target: / of the container cannot be replaced
      4:124 error[invalid-path] docker_backend.volume_mounts[3].target: /proc/x belongs to the engine or to looms"
    `);
  });

  test('two mounts at one place show both lines', () => {
    expect(
      check(
        document({ backend: ['volume_mounts:', '  - { source: a, target: /x }', '  - { source: b, target: /x/ }'] }),
      ),
    ).toMatchInlineSnapshot(
      `"6:28 error[duplicate-target] docker_backend.volume_mounts[1].target: /x is mounted twice [5:20 first here]"`,
    );
  });

  test('a mount and a tmpfs at one place show both lines', () => {
    expect(
      check(document({ backend: ['volume_mounts: [{ source: a, target: /x }]', 'security: { tmpfs: { /x: 1m } }'] })),
    ).toMatchInlineSnapshot(
      `"5:28 error[duplicate-target] docker_backend.security.tmpfs["/x"]: /x is mounted twice [4:32 first here]"`,
    );
  });

  test('a user must look like one', () => {
    expect(check(document({ backend: ["security: { user: 'a b' }"] }))).toMatchInlineSnapshot(
      `"4:21 error[invalid-value] docker_backend.security.user: user: expected a user such as 1000:1000 or nobody, got "a b""`,
    );
  });

  test('an unknown capability names the near one', () => {
    expect(
      check(document({ backend: ['security: { cap_add: [NET_BIND_SERVCE], cap_drop: [zork] }'] })),
    ).toMatchInlineSnapshot(`
      "4:25 error[unknown-capability] docker_backend.security.cap_add[0]: NET_BIND_SERVCE is not a Linux capability (hint: did you mean NET_BIND_SERVICE?)
      4:54 error[unknown-capability] docker_backend.security.cap_drop[0]: zork is not a Linux capability"
    `);
  });

  test('all capabilities at once are refused', () => {
    expect(check(document({ backend: ['security: { cap_add: [ALL] }'] }))).toMatchInlineSnapshot(
      `"4:24 error[refused-value] docker_backend.security.cap_add: cap_add: ALL is a privileged container, which does not exist in looms (hint: name the capabilities that the server needs)"`,
    );
  });

  test('a size must be one', () => {
    expect(check(document({ backend: ['security: { tmpfs: { /a: big, /b: 64 } }'] }))).toMatchInlineSnapshot(`
      "4:28 error[invalid-value] docker_backend.security.tmpfs["/a"]: tmpfs /a: expected a size such as 64m, or 64m,exec, got "big" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)
      4:37 error[invalid-value] docker_backend.security.tmpfs["/b"]: 64 for /b is less than one page of memory (4k) (hint: did you mean 64m?)"
    `);
  });

  test('a document of another program is called one, and nothing else', () => {
    expect(check('{ "mcpServers": { "files": { "command": "npx" } } }')).toMatchInlineSnapshot(
      `"1:3 error[other-document] mcp_servers: this is the configuration of an MCP client, not a spec (hint: write a document for each server: name, docker_backend with its image, mcp_server with its command)"`,
    );
    expect(check('version: 3\nservices: { web: { image: nginx } }')).toMatchInlineSnapshot(
      `"2:1 error[other-document] services: this is a file of docker compose, not a spec (hint: write a document for each MCP server: name, docker_backend with its image, mcp_server with its command)"`,
    );
  });

  test('privileged does not exist', () => {
    expect(check(document({ backend: ['security: { privileged: true }', 'privileged: true'] }))).toMatchInlineSnapshot(`
      "4:15 error[refused-key] docker_backend.security.privileged: privileged does not exist in looms: it hands the whole host to the server (hint: name what the server needs in security.cap_add)
      5:3 error[refused-key] docker_backend.privileged: privileged does not exist in looms: it hands the whole host to the server (hint: name what the server needs in security.cap_add)"
    `);
  });

  test('host namespaces do not exist', () => {
    expect(
      check(document({ backend: ['pid: host', 'network_mode: host', 'security: { ipc_mode: host }'] })),
    ).toMatchInlineSnapshot(`
      "4:3 error[refused-key] docker_backend.pid: pid does not exist in looms: a namespace shared with the host ends the isolation (hint: remove it; servers of one project reach each other by name)
      5:3 error[refused-key] docker_backend.network_mode: network_mode does not exist in looms: a namespace shared with the host ends the isolation (hint: remove it; servers of one project reach each other by name)
      6:15 error[refused-key] docker_backend.security.ipc_mode: ipc_mode does not exist in looms: a namespace shared with the host ends the isolation (hint: remove it; servers of one project reach each other by name)"
    `);
  });

  test('ports are not published', () => {
    expect(check(document({ backend: ['ports: [80]'] }))).toMatchInlineSnapshot(
      `"4:3 error[refused-key] docker_backend.ports: ports does not exist in looms: nothing of a server is published outside its network (hint: for an HTTP server set mcp_server.port; looms reaches it through a relay)"`,
    );
  });

  test('network mode host does not exist', () => {
    expect(check(document({ backend: ['network: { mode: host }'] }))).toMatchInlineSnapshot(
      `"4:20 error[invalid-value] docker_backend.network.mode: mode host does not exist in looms: it ends the isolation from the host or from other servers (hint: use isolated, and list in network.egress what the server may reach of the outside, or none)"`,
    );
  });

  test.each([
    ['db.example', 'docker_backend.network.egress[0]: db.example has no port (hint: write db.example:PORT)'],
    ['db:99999', '99999 is not a port from 1 to 65535'],
    ['db:', 'nothing is not a port'],
    ['db:5432-5440', 'several ports cannot be allowed at once (hint: write one entry for each port)'],
    ['db:*', 'several ports cannot be allowed at once'],
    [
      '10.0.0.0/8:5432',
      'a range of addresses cannot be allowed (hint: write one entry for each host, by its name or address)',
    ],
    ['10.0.0.0/8', 'a range of addresses cannot be allowed'],
    ['10.0.0.1-10.0.0.9:5432', 'a range of addresses cannot be allowed'],
    [
      '10.1.2.255:1025',
      '10.1.2.255 is at an end of its subnet, where no container can stand in for it (hint: write { host: NAME, address: 10.1.2.255, port: 1025 } with a NAME of your choice, and let the server connect to NAME:1025)',
    ],
    [
      '127.0.0.1:1025',
      '127.0.0.1 is not the address of a host (hint: write the IPv4 address of the host, or its name)',
    ],
    ['169.254.169.254:80', '169.254.169.254 is not the address of a host'],
    ...[
      '010.1.2.3',
      '10.1.2',
      '10.1.515',
      '167838211',
      '0x0a010203',
      '0X0A010203',
      '012.0x1.2.0x3',
      'db.0x',
      'db.example.0x1f',
      'db.example.017',
      '10.1.2.256',
      '10.1.2.3.4',
      '0x0a010203.',
      '010.1.2.3..',
      '*.example.443',
    ].map((host) => [
      `${host}:443`,
      `${host.toLowerCase()} is a number or ends in one, so it is the name of no host: programs take it for an address (hint: write an address as four decimal numbers, without zeros before them, as 10.1.2.3:443)`,
    ]),
    ['10.1.2.3.:1025', 'the name ends in a dot (hint: write 10.1.2.3:1025)'],
    ['db.example..:1025', 'the name ends in a dot (hint: write db.example:1025)'],
    ['fe80::1%eth0:1025', 'IPv6 addresses cannot be allowed'],
    ['[fe80::1%25eth0]:1025', 'IPv6 addresses cannot be allowed'],
    ['１０.1.2.3:1025', 'is a number or ends in one'],
    ['10。1。2。3:1025', '"10。1。2。3" is not the name of a host'],
    ['1e3.example%00:443', '"1e3.example%00" is not the name of a host'],
    ['10.1.2.3:1025/udp', 'egress is TCP only'],
    ['10.1.2.3', '10.1.2.3 has no port (hint: write 10.1.2.3:PORT)'],
    ['[::ffff:10.1.2.3]:1025', 'IPv6 addresses cannot be allowed (hint: write the name of the host'],
    ['ns.example:53/udp', 'egress is TCP only (hint: use a TCP port of the host, where it has one)'],
    ['icmp', 'egress is TCP only'],
    ['db.example:5432/tcp', 'egress is TCP already (hint: write db.example:5432)'],
    ['https://api.example/v1', 'this is a URL, and what is allowed is a host and a port (hint: write api.example:443)'],
    ['postgres://u:p@db.example/x', '(hint: write db.example:5432)'],
    ['[2001:db8::1]:443', 'IPv6 addresses cannot be allowed'],
    ['2001:db8::1', 'IPv6 addresses cannot be allowed'],
    ['_ldap._tcp.example.com:389', 'is an SRV name, which is no host (hint: write the hosts that it stands for)'],
    ['localhost:5432', 'localhost is the server itself'],
    ['*:443', '* is every host'],
    ['*.com:443', '*.com is a whole top-level domain'],
    ['*.example.com:5432', 'port 5432 is not one of TLS'],
    ['a.*.example.com:443', '"a.*.example.com" is not the name of a host'],
    ['db.example.:5432', 'the name ends in a dot (hint: write db.example:5432)'],
    ['db example:5432', '"db example" is not the name of a host'],
  ])('egress to %s is an error that says what to write', (entry, said) => {
    const found = check(document({ backend: [`network: { egress: [${JSON.stringify(entry)}] }`] }));
    expect(found).toContain('4:23 error[invalid-egress] docker_backend.network.egress[0]');
    expect(found).toContain(said);
  });

  test.each([
    ['{ port: 1 }', 'an entry needs host'],
    ['{ host: db }', 'an entry needs port'],
    ['{ host: db, port: 1, protocol: udp }', 'docker_backend.network.egress[0] has no key protocol'],
    ['{ host: db, port: 0 }', 'port: expected a whole number from 1 to 65535, got 0'],
    ['{ host: db, port: 1, address: 127.0.0.1 }', '"127.0.0.1" is not the address of a host'],
    ['{ host: db, port: 1, address: 169.254.169.254 }', '"169.254.169.254" is not the address of a host'],
    ['{ host: db, port: 1, address: db.example }', '"db.example" is not the address of a host'],
    ['{ host: db, port: 1, address: "0x0a010203" }', '"0x0a010203" is not the address of a host'],
    ['{ host: "fe80::1%eth0", port: 1 }', '"fe80::1%eth0" is not the name of a host'],
    ['{ host: "0x7f000001", port: 1, address: 10.1.2.3 }', '0x7f000001 is a number or ends in one'],
    ['{ host: "*.example.com", port: 443, address: 10.0.0.1 }', 'a wildcard has no address'],
    ['{ host: 10.1.2.3, port: 443, tls: true }', 'who connects to an address names no host in TLS'],
    ['{ host: 10.1.2.3, port: 1, address: 10.1.2.4 }', '10.1.2.3 is an address, and led to another one'],
    ['10.1.2.3:1, { host: 10.1.2.3, port: 1 }', '10.1.2.3:1 is listed twice'],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9].map((last) => `10.1.2.${last}:1`).join(', '), '9 addresses: a server can be led to 8'],
    ['12', 'expected host:port, or a map with host and port, got 12'],
    ['[a]', 'expected host:port, or a map with host and port, got a list'],
    ['"db:1", "DB:1"', 'db:1 is listed twice'],
  ])('egress to %s says what is wrong with it', (entry, said) => {
    expect(check(document({ backend: [`network: { egress: [${entry}] }`] }))).toContain(said);
  });

  test('egress is told apart by ports of TLS, in one order', () => {
    const { spec } = only(
      document({
        backend: [
          "network: { egress: ['b.example:443', '*.example.com:443', { host: db, port: 1025, address: 10.1.2.3 }] }",
        ],
      }),
    );
    expect(spec.network.egress).toEqual([
      { host: '*.example.com', port: 443, tls: true },
      { host: 'b.example', port: 443, tls: true },
      { host: 'db', port: 1025, tls: false, address: '10.1.2.3' },
    ]);
  });

  test('egress to an address is one by itself, with no TLS to hold it to', () => {
    const { spec } = only(
      document({ backend: ["network: { egress: ['10.1.2.3:443', { host: 10.1.2.3, port: 1025 }] }"] }),
    );
    expect(spec.network.egress).toEqual([
      { host: '10.1.2.3', port: 443, tls: false, address: '10.1.2.3' },
      { host: '10.1.2.3', port: 1025, tls: false, address: '10.1.2.3' },
    ]);
  });

  test('egress to addresses of one /24 is one server’s', () => {
    const one = (name: string, address: string): string =>
      document({ top: [`name: ${name}`], backend: [`network: { egress: ['${address}:1025'] }`] });
    const text = [one('a', '10.1.2.3'), one('b', '10.1.3.3'), one('c', '10.1.2.4')].join('---\n');
    expect(check(text)).toMatchInlineSnapshot(
      `"18:22 error[taken-address] docker_backend.network.egress: 10.1.2.4 is in 10.1.2.0/24, where a is led to an address already: an engine can do so for one server [4:22 the other server] (hint: write { host: NAME, address: 10.1.2.4, port: … } with a NAME of your choice, and let the server connect to NAME)"`,
    );
  });

  test('egress on another mode has no effect', () => {
    expect(
      check(document({ backend: ["network: { mode: bridge, egress: ['a.example:443'] }"] })),
    ).toMatchInlineSnapshot(
      `"4:28 error[no-effect] docker_backend.network.egress: egress has no effect with mode bridge [4:14 mode is here] (hint: remove mode: bridge, which reaches everything)"`,
    );
  });

  test('learning has no effect on another mode either', () => {
    const text = document({ backend: ['network: { mode: none, egress_learn: true }'] });
    expect(check(text)).toMatchInlineSnapshot(
      `"4:26 error[no-effect] docker_backend.network.egress_learn: egress_learn has no effect with mode none [4:14 mode is here] (hint: remove it, or set mode: isolated)"`,
    );
  });

  test('an HTTP transport needs a port', () => {
    expect(check(document({ mcp: ['command: run', 'transport: sse'] }))).toMatchInlineSnapshot(
      `"6:14 error[missing-key] mcp_server.transport: transport sse needs port (hint: add port: and the port that the server listens on in its container)"`,
    );
  });

  test('an HTTP transport without a network cannot be reached', () => {
    expect(
      check(document({ backend: ['network: { mode: none }'], mcp: ['transport: streamable-http', 'port: 80'] })),
    ).toMatchInlineSnapshot(
      `"6:14 error[unreachable] mcp_server.transport: transport streamable-http cannot be reached with network mode none [4:14 mode is here] (hint: use mode: isolated, which nothing outside reaches either, or transport: stdio)"`,
    );
  });

  test('http is not the name of a transport', () => {
    expect(check(document({ mcp: ['command: run', 'transport: http'] }))).toMatchInlineSnapshot(
      `"6:14 error[invalid-value] mcp_server.transport: transport: expected one of stdio, streamable-http, sse, got "http" (hint: did you mean streamable-http?)"`,
    );
  });

  test('port and path have no effect with stdio', () => {
    expect(check(document({ mcp: ['command: run', 'port: 80', 'path: /x'] }))).toMatchInlineSnapshot(`
      "6:3 error[no-effect] mcp_server.port: port has no effect with transport stdio (hint: remove it, or set transport: streamable-http)
      7:3 error[no-effect] mcp_server.path: path has no effect with transport stdio (hint: remove it, or set transport: streamable-http)"
    `);
  });

  test('a path of an endpoint begins with a slash', () => {
    expect(check(document({ mcp: ['command: run', 'transport: sse', 'port: 80', 'path: x'] }))).toMatchInlineSnapshot(
      `"8:9 error[invalid-value] mcp_server.path: path: expected a path such as /mcp, got "x""`,
    );
  });

  test('all tools and some tools contradict', () => {
    expect(check(document({ mcp: ['command: run', 'tools: { all: true, include: [a] }'] }))).toMatchInlineSnapshot(
      `"6:12 error[conflict] mcp_server.tools.all: all: true and include contradict one another [6:23 include is here] (hint: keep one of them)"`,
    );
  });

  test('all: false needs include', () => {
    expect(check(document({ mcp: ['command: run', 'tools: { all: false }'] }))).toMatchInlineSnapshot(
      `"6:12 error[conflict] mcp_server.tools.all: all: false needs include (hint: list the tools that clients may call under include)"`,
    );
  });

  test('labels of ours are reserved', () => {
    expect(
      check(document({ backend: ["custom: { labels: { looms.project: x, loom.type: y, 'a=b': z } }"] })),
    ).toMatchInlineSnapshot(`
      "4:23 error[invalid-key] docker_backend.custom.labels["looms.project"]: labels starting with looms. and loom. are reserved: looms.project
      4:41 error[invalid-key] docker_backend.custom.labels["loom.type"]: labels starting with looms. and loom. are reserved: loom.type
      4:55 error[invalid-key] docker_backend.custom.labels["a=b"]: "a=b" is not a label's name"
    `);
  });

  test('a wrong mount does not hide what is wrong with its siblings', () => {
    expect(
      check(
        document({
          backend: [
            'volume_mounts: [{ source: /, target: 5 }, "./a:/b:ro", { source: /proc, target: x }, { read_only: "no", source: ~/y }]',
          ],
        }),
      ),
    ).toMatchInlineSnapshot(`
      "4:29 error[refused-mount] docker_backend.volume_mounts[0].source: the root of the host is never mounted (hint: mount the folder that the server needs)
      4:40 error[wrong-type] docker_backend.volume_mounts[0].target: target: expected an absolute path in the container, got 5 (hint: write "5" with quotes)
      4:45 error[wrong-type] docker_backend.volume_mounts[1]: volume_mounts[1]: expected a map (key: value), got "./a:/b:ro" (hint: write { source: ./a, target: /b, read_only: true })
      4:68 error[refused-mount] docker_backend.volume_mounts[2].source: /proc is never mounted: it gives the server the kernel of the host (hint: mount another folder)
      4:83 error[invalid-value] docker_backend.volume_mounts[2].target: target: expected an absolute path in the container, got "x"
      4:88 error[missing-key] docker_backend.volume_mounts[3]: a mount needs target
      4:101 error[wrong-type] docker_backend.volume_mounts[3].read_only: read_only: expected true or false, got "no"
      4:115 error[invalid-mount] docker_backend.volume_mounts[3].source: ~ has no meaning in ~/y (hint: write \${HOME}/…)"
    `);
  });

  test('an empty entry of a list says so', () => {
    expect(check(document({ backend: ['volume_mounts: [ ~, { source: /, target: /x }]'] }))).toMatchInlineSnapshot(`
      "4:20 error[wrong-type] docker_backend.volume_mounts[0]: volume_mounts[0]: expected a map (key: value), got nothing
      4:33 error[refused-mount] docker_backend.volume_mounts[1].source: the root of the host is never mounted (hint: mount the folder that the server needs)"
    `);
  });

  test('a command with its arguments in one text gets a warning that says how to write it', () => {
    expect(check(document({ mcp: ['command: node -e 1', 'args: [--x]'] }))).toMatchInlineSnapshot(
      `"5:12 warning[command-has-spaces] mcp_server.command: "node -e 1": command is one program, never a shell line (hint: put arguments into args: command: node, args: ["-e", "1", "--x"])"`,
    );
    expect(check(document({ mcp: ["command: sh -c 'a b'"] }))).toMatchInlineSnapshot(
      `"5:12 warning[command-has-spaces] mcp_server.command: "sh -c 'a b'": command is one program, never a shell line (hint: put arguments into args, one an entry: command: sh)"`,
    );
    expect(check(document({ mcp: ['command: /usr/bin/node -e 1'] }))).toMatchInlineSnapshot(
      `"5:12 warning[command-has-spaces] mcp_server.command: "/usr/bin/node -e 1": command is one program, never a shell line (hint: put arguments into args: command: /usr/bin/node, args: ["-e", "1"])"`,
    );
    expect(check(document({ mcp: ['command: /opt/My Tools/serve'] }))).toBe('');
  });

  test('a key at the top that no spec has names what has it not', () => {
    expect(check(document({ top: ['name: fs', 'zork: 1'] }))).toMatchInlineSnapshot(
      `"2:1 error[unknown-key] zork: a spec has no key zork (hint: valid keys: docker_backend, mcp_server, name, place)"`,
    );
  });

  test('a cache for nothing to install has no effect', () => {
    const text =
      'name: a\ndocker_backend: { runtime_type: python, python: { use_pip_cache: false } }\nmcp_server: { command: x }\n';
    expect(check(text)).toMatchInlineSnapshot(
      `"2:51 warning[no-effect] docker_backend.python.use_pip_cache: use_pip_cache has no effect: no packages are installed (hint: remove it, or list packages)"`,
    );
  });
});
