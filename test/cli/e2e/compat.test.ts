import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { historyOf, withoutEngine } from '../../support/images.ts';
import { testProject } from '../../support/test-project.ts';

/** The file that users of loom have; it is not part of this project. */
const file = fileURLToPath(new URL('../../../../shared/compat/loom-teradata-mcp.yaml', import.meta.url));
const isThere = existsSync(file);
if (!isThere) console.log('skipped: the file of loom is not beside the checkout');

describe.skipIf(!isThere)('the file of loom', () => {
  const project = testProject('compat');
  afterAll(() => project.remove());

  test('has one error: its last document names two image sources, and both lines are shown (65)', async () => {
    const { code, stdout } = await project.run(['validate', '-f', file, '--json']);
    expect(code).toBe(65);
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { severity: string; message: string }[] };
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    expect(errors).toHaveLength(1);
    const text = await project.run(['validate', '-f', file]);
    const lines = readFileSync(file, 'utf8').split('\n');
    const shown = [
      ...text.stdout.matchAll(/^\s*>?\s*(\d+) [│|] (.*)$/gm),
      ...text.stderr.matchAll(/^\s*>?\s*(\d+) [│|] (.*)$/gm),
    ];
    expect(shown.length).toBeGreaterThanOrEqual(2);
    for (const [, number, content] of shown)
      expect(lines[Number(number) - 1]?.trim()).toContain(content?.trim().slice(0, 20));
  });

  test('is not applied in part: nothing is made (65)', async () => {
    expect(await project.run(['apply', '-f', file, '--yes'])).toExit(65);
    expect(await project.names()).toEqual([]);
  });

  test.skipIf(withoutEngine())(
    'has a package in its first document that does not exist: pip says so, and nothing is left',
    async () => {
      const [first = ''] = readFileSync(file, 'utf8').split(/^---$/m);
      expect(await project.run(['validate', '-f', '-'], { stdin: first })).toExit(0);
      const { docker } = project;
      const isOfIt = ({ CreatedBy }: { CreatedBy: string }): boolean => CreatedBy.includes('vantage-mcp-server');
      const left = async () => {
        const images = await docker.listImages();
        const histories = await Promise.all(images.map(({ Id }) => historyOf(docker, Id)));
        return {
          images: histories.filter((history) => history.some(isOfIt)).length,
          containers: await project.names(),
          builders: (await docker.listContainers({ all: true })).filter(({ Command }) =>
            Command.includes('vantage-mcp-server'),
          ).length,
        };
      };
      const { code, stdout } = await project.apply(first);
      expect(code).toBe(1);
      expect(stdout).toContain('No matching distribution found for vantage-mcp-server');
      expect(stdout).toMatch(/error\[image-build-failed\]/);
      expect(stdout).toContain('hint: ');
      expect(await left()).toEqual({ images: 0, containers: [], builders: 0 });
      expect(stdout).not.toMatch(/^\s+at .*:\d+:\d+/m);
    },
    300_000,
  );
});
