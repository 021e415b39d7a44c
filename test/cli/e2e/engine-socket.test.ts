import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CallCounter, countCalls } from '../../support/call-counter.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine())('the socket that looms is connected to, where no list has it', () => {
  const project = testProject('socket');
  let engine: CallCounter;
  let socket = '';
  let link = '';
  beforeAll(async () => {
    engine = await countCalls();
    socket = engine.host.slice('unix://'.length);
    link = join(emptyFolder(), 'looks-fine');
    symlinkSync(dirname(socket), link);
  });
  afterAll(async () => {
    await project.remove();
    await engine.close();
  });

  const specWith = (source: string): string => {
    const document = JSON.parse(tinySpec({ name: 'fs' }));
    document.docker_backend.volume_mounts = [{ source, target: '/data' }];
    return JSON.stringify(document);
  };

  test.each([
    ['itself', () => socket],
    ['its folder', () => dirname(socket)],
    ['a folder above', () => dirname(dirname(socket))],
    ['a link to its folder', () => link],
  ])('is not mounted: %s', async (_, source) => {
    const env = { DOCKER_HOST: engine.host };
    for (const args of [
      ['validate', '-f', '-'],
      ['apply', '-f', '-', '--yes'],
    ]) {
      const { code, stderr } = await project.run(args, { env, stdin: specWith(source()) });
      expect({ code, stderr }).toMatchObject({ code: 65, stderr: expect.stringContaining('refused-mount') });
    }
    // Also where another address leads to the engine: what answers on the socket tells.
    const { code, stderr } = await project.run(['validate', '-f', '-'], { stdin: specWith(dirname(socket)) });
    expect({ code, stderr }).toMatchObject({ code: 65, stderr: expect.stringContaining('socket of an engine') });
    expect(await project.names()).toEqual([]);
  });

  test('is not mounted by a saved plan that was changed either', async () => {
    const cwd = emptyFolder();
    const harmless = emptyFolder();
    const env = { DOCKER_HOST: engine.host };
    writeFileSync(join(cwd, 'mcp.yaml'), specWith(harmless));
    const made = await project.run(['diff', '-f', 'mcp.yaml', '--out', 'plan.json'], { cwd, env });
    expect(made, made.stderr).toExit(2);
    const forged = readFileSync(join(cwd, 'plan.json'), 'utf8').replaceAll(harmless, dirname(socket));
    writeFileSync(join(cwd, 'plan.json'), forged);
    const { code, stderr } = await project.run(['apply', 'plan.json'], { cwd, env });
    expect({ code, stderr }).toExit(65);
    expect(await project.names()).toEqual([]);
  });
});
