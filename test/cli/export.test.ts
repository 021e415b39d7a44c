import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { emptyFolder, looms } from '../support/looms.ts';
import { schemaProblems } from '../support/schemas.ts';

const examples = join(import.meta.dirname, '../../examples');

function folderWith(text: string): string {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'mcp.yaml'), text);
  return folder;
}

const spec = (more: string): string => `name: fs
docker_backend:
  base_image: node:24-slim
${more}
mcp_server: { command: node, args: [server.js], env: { TOKEN: "\${secret:fs-token}" } }
`;

describe('export', () => {
  test('writes objects, says what has to be there before and what is otherwise there, and no secret', async () => {
    const cwd = folderWith(spec('  volume_mounts: [{ source: data, target: /data }]'));
    const env = { LOOMS_SECRET_FS_TOKEN: 'hunter2-hunter2' };
    const { code, stdout, stderr } = await looms(['export', '--to', 'kubernetes', '--project', 'team'], { cwd, env });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^# Needed before:\n# Secret looms-fs-env in the namespace below, with these keys \(its pods wait for it\):\n# {3}TOKEN: "\$\{secret:fs-token\}"\napiVersion: v1\nkind: Namespace\n/,
    );
    expect(stderr).toContain('warning[other-in-kubernetes]: a named volume is a claim of 1 GiB');
    expect(stderr).toContain('mcp.yaml:4');
    expect(stdout + stderr).not.toContain('hunter2');
    const kinds = parseAllDocuments(stdout).map((document) => document.toJS().kind);
    expect(kinds).toEqual([
      'Namespace',
      'ConfigMap',
      ...['NetworkPolicy', 'NetworkPolicy', 'NetworkPolicy'],
      'PersistentVolumeClaim',
      'Deployment',
    ]);
  });

  test('writes nothing where something of a spec cannot be kept, and says where that stands and what to do', async () => {
    const cwd = folderWith(spec('  network: { egress: ["db:5432"] }'));
    const { code, stdout, stderr } = await looms(['export', '--to', 'kubernetes'], { cwd });
    expect([code, stdout]).toEqual([65, '']);
    expect(stderr).toContain('error[not-in-kubernetes]: db is no whole name, and pods ask for names as they stand');
    expect(stderr).toContain('mcp.yaml:4');
    expect(stderr).toContain('{ host: db, address: ADDRESS, port: 5432 }');
  });

  test('has the policy of Cilium that names need, and says with the line that the cluster needs it', async () => {
    const cwd = folderWith(spec('  network: { egress: ["db.example:5432"] }'));
    const { code, stdout, stderr } = await looms(['export', '--to', 'kubernetes'], { cwd });
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /other-in-kubernetes\]: names are let out by a policy of Cilium, which the cluster needs for it/,
      ),
    ]);
    expect(stderr).toContain('mcp.yaml:4');
    expect(stdout).toContain('kind: CiliumNetworkPolicy');
    expect(stdout).toContain('matchName: db.example');
  });

  test('is one list in JSON, and tells programs the rest beside it', async () => {
    const cwd = folderWith(spec('  pull_policy: never'));
    const list = await looms(['export', '--to', 'kubernetes', '-o', 'json'], { cwd });
    expect(list.stderr).toContain('Secret looms-fs-env in the namespace below, with these keys');
    expect(JSON.parse(list.stdout)).toMatchObject({ kind: 'List', items: expect.any(Array) });
    const { stdout } = await looms(['export', '--to', 'kubernetes', '--json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({
      secrets: [{ name: 'looms-fs-env', keys: [{ name: 'TOKEN', value: '${secret:fs-token}' }] }],
    });
    expect(schemaProblems('export', JSON.parse(stdout))).toEqual([]);
  });

  test('writes a Compose file that takes secrets from its own environment', async () => {
    const { code, stdout } = await looms(['export', '--to', 'compose'], {
      cwd: folderWith(spec('  description: files')),
    });
    expect(code).toBe(0);
    expect(stdout).toContain(
      '# in the environment of docker compose:\n#   LOOMS_SECRET_FS_TOKEN: "${secret:fs-token}"\n',
    );
    expect(parseAllDocuments(stdout)[0]?.toJS()).toMatchObject({
      services: {
        fs: {
          entrypoint: ['sleep'],
          command: ['infinity'],
          environment: { TOKEN: '${LOOMS_SECRET_FS_TOKEN:?}' },
          cap_drop: ['ALL'],
          read_only: true,
          mem_limit: '512m',
          networks: { isolated: { aliases: ['fs'] } },
        },
      },
      networks: { isolated: { internal: true } },
    });
  });

  test('takes no address for a registry, and none where nobody pulls from one', async () => {
    const args = ['export', '--to', 'kubernetes', '--registry', 'https://registry.example/team'];
    const { code, stderr } = await looms(args, { cwd: folderWith(spec('  pull_policy: never')) });
    expect([code, stderr]).toEqual([64, expect.stringContaining('write --registry HOST/FOLDER')]);
    const compose = ['export', '--to', 'compose', '--registry', 'registry.example/team'];
    const refused = await looms(compose, { cwd: folderWith(spec('  pull_policy: never')) });
    expect([refused.code, refused.stderr]).toEqual([64, expect.stringContaining('--registry is for Kubernetes')]);
  });

  test('has a registry from looms.yaml where the flag names none', async () => {
    const cwd = folderWith(`name: fs
docker_backend:
  runtime_type: node
  node: { preinstall_packages: ["@modelcontextprotocol/server-filesystem@2026.8.31"] }
mcp_server: { command: mcp-server-filesystem, args: [/tmp] }
`);
    writeFileSync(join(cwd, 'looms.yaml'), 'engine: { kubernetes: {}, registry: registry.example/ours/ }\n');
    const imageIn = async (...args: string[]): Promise<string | undefined> => {
      const { code, stdout } = await looms(['export', ...args], { cwd });
      expect(code).toBe(0);
      return /image: (\S+)\/node:/.exec(stdout)?.[1];
    };
    expect(await imageIn('--to', 'kubernetes')).toBe('registry.example/ours');
    expect(await imageIn('--to', 'kubernetes', '--registry', 'registry.example/mine')).toBe('registry.example/mine');
    expect(await imageIn('--to', 'compose')).toBe('looms');
  });

  const files = readdirSync(examples).filter((name) => name.endsWith('.yaml'));
  test.each(files)('examples/%s is written, or refused with what to do', async (file) => {
    const env = { GITHUB_TOKEN: 'x', DATABASE_URI: 'x', TERADATA_HOST: 'td', TD_NAME: 'x' };
    for (const target of ['kubernetes', 'compose']) {
      const registry = target === 'kubernetes' ? ['--registry', 'registry.example/team'] : [];
      const args = ['export', '--to', target, ...registry, '-f', join(examples, file)];
      const { code, stdout, stderr } = await looms(args, { env });
      if (code === 0) expect(stdout.length).toBeGreaterThan(200);
      else
        expect([code, stdout, stderr]).toEqual([65, '', expect.stringMatching(/error\[not-in-[a-z]+\][\s\S]*hint:/)]);
    }
  });
});
