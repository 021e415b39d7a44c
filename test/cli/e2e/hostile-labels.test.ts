import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { looms } from '../../support/looms.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

/** A count line of ours at the beginning of a line, what steers a terminal, and what reorders or hides text. */
const evil = '\n0 to create, 0 to replace, 0 to remove, FORGED\r\u001b[2J\u009b2J\u202eabc\u2066\u200b\u061c\u2028';
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

describe.skipIf(withoutEngine())('labels and specs that hold control characters', () => {
  const project = testProject('labels');
  const spec = tinySpec({ name: 'own' });
  beforeAll(async () => {
    const document = JSON.parse(spec);
    document.docker_backend.description = `about${evil}`;
    document.docker_backend.custom = { labels: { [`key${evil}`]: `value${evil}` } };
    expect(await project.apply(JSON.stringify(document))).toExit(0);

    // A container of the project as far as its labels go, with every one of them that is free text forged.
    const own = await project.container('own').inspect();
    const { 'looms.signature': _, ...labels } = own.Config.Labels;
    // A record that is read: of the server that its label names, with text of its own in it.
    const record = JSON.parse(labels['looms.spec'] ?? '');
    Object.assign(record.spec, { name: 'twin', description: evil });
    Object.assign(record.spec.mcp, { command: `run${evil}`, envFrom: ['HOME'] });
    record.image = `image${evil}`;
    const forged = {
      ...labels,
      'looms.spec': JSON.stringify(record),
      'looms.server': 'twin',
      'looms.source': `a.yaml${evil}:1`,
      'looms.managed-by': `x${evil}`,
      'looms.image': `image${evil}`,
      'looms.spec-hash': `h${evil}`,
      [`other${evil}`]: evil,
    };
    await project.docker.createContainer({
      Image: own.Image,
      name: `looms-${project.name}-twin`,
      Cmd: ['sleep', '600'],
      Labels: forged,
    });
    for (const [role, name] of [
      ['history', 'twin.h1'],
      ['data', 'twin.data'],
    ] as const) {
      await project.docker.createContainer({
        Image: own.Image,
        name: `looms-${project.name}-${name}`,
        Cmd: ['true'],
        Labels: {
          ...forged,
          'looms.role': role,
          'looms.outcome': 'gate-failed',
          'looms.failure': evil,
          'looms.since': evil,
          'looms.kept-from': evil,
          'looms.signature': evil,
        },
      });
    }
    // And one that claims by hand what no name can be.
    await project.docker.createContainer({
      Image: own.Image,
      name: `looms-${project.name}-odd`,
      Cmd: ['sleep', '600'],
      Labels: { ...forged, 'looms.server': `odd${evil}`, 'looms.role': `server${evil}` },
    });
  });
  afterAll(() => project.remove());

  test.each([
    [['get']],
    [['get', '-o', 'wide']],
    [['get', '-o', 'yaml']],
    [['get', '--json']],
    [['describe', 'twin']],
    [['describe', 'own']],
    [['mcp', 'list']],
    [['mcp', 'info', 'twin']],
    [['mcp', 'info', 'own']],
    [['mcp', 'health']],
    [['history', 'own']],
    [['history', 'twin']],
    [['rollback', 'twin', '--to', '1', '--yes']],
    [['mcp', 'start', 'twin']],
    [['mcp', 'restart', 'twin', '--dry-run']],
    [['mcp', 'call', 'twin', 'echo']],
    [['mcp', 'logs', 'twin']],
    [['describe', 'twin', '--json']],
    [['history', 'twin', '--json']],
    [['diff', '-f', '-']],
    [['diff', '-f', '-', '--verbose']],
    [['diff', '-f', '-', '-o', 'markdown']],
    [['diff', '-f', '-', '-o', 'junit']],
    [['diff', '-f', '-', '-o', 'github']],
    [['diff', '-f', '-', '-o', 'sarif']],
    [['diff', '-f', '-', '--json']],
    [['apply', '-f', '-', '--prune', '--dry-run']],
    [['delete', '--all', '--dry-run']],
  ] as [string[]][])('cannot forge a line or steer what reads it: %j', async (args) => {
    const { stdout, stderr } = await project.run(args, { stdin: spec });
    expect(stdout + stderr).not.toMatch(raw);
    expect((stdout + stderr).split('\n').filter((line) => line.includes('FORGED') && /^0 to/.test(line))).toEqual([]);
  });

  test('cannot in the list of all projects either', async () => {
    const { code, stdout, stderr } = await looms(['mcp', 'list', '--all-projects']);
    expect({ code, stderr: stderr.match(raw) }).toEqual({ code: 0, stderr: null });
    expect(stdout).toContain(project.name);
    expect(stdout).not.toMatch(raw);
  });

  test('are shown: what was forged is seen, not hidden', async () => {
    const { stdout } = await project.run(['diff', '-f', '-'], { stdin: spec });
    expect(stdout).toContain('\\n0 to create, 0 to replace, 0 to remove, FORGED\\x0d\\x1b[2J\\x9b2J\\u202eabc');
  });

  test('come out of get -o yaml as the same spec', async () => {
    const { stdout } = await project.run(['get', 'own', '-o', 'yaml']);
    const { plan } = await project.diff(stdout);
    expect(plan.changes.filter(({ server }) => server === 'own')).toMatchObject([{ action: 'unchanged' }]);
  });
});
