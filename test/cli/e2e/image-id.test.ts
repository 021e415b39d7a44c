import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countCalls } from '../../support/call-counter.ts';
import { withoutEngine } from '../../support/images.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

const base = 'node:24-slim';

describe.skipIf(withoutEngine())('a server whose image says what it runs', () => {
  const project = testProject('imageid');
  const repo = `looms-test/${project.name}`;
  const tiny = JSON.parse(tinySpec({ name: 'own', image: repo }));
  const argv: string[] = [tiny.mcp_server.command, ...tiny.mcp_server.args];
  const own = { ...tiny, mcp_server: { timeout_seconds: 30 } };
  const auto = { ...tiny, name: 'auto', mcp_server: { timeout_seconds: 30, protocol: 'auto' } };
  const yaml = `${JSON.stringify(own)}\n---\n${JSON.stringify(auto)}\n`;
  const { docker } = project;
  let imageId = '';

  beforeAll(async () => {
    const made = await docker.createContainer({ Image: base, Cmd: argv, Entrypoint: [] });
    const { Id: id } = (await made.commit({ repo })) as { Id: string };
    imageId = id;
    await made.remove({ force: true });
    expect(await project.apply(yaml)).toExit(0);
  });
  afterAll(async () => {
    await project.remove();
    await docker.getImage(repo).remove({ force: true }).catch(gone);
    await docker.getImage(imageId).remove({ force: true }).catch(gone);
  });

  const gone = (error: { statusCode?: number }): void => {
    if (error.statusCode !== 404) throw error;
  };
  const echo = (server: string, env: Readonly<Record<string, string>> = {}) =>
    project.run(['mcp', 'call', server, 'echo', 'text=hello'], { env });

  test.each(['own', 'auto'])('is called by execs alone, and nothing is made for it: %s', async (server) => {
    const counter = await countCalls();
    try {
      expect(await echo(server, { DOCKER_HOST: counter.host })).toMatchObject({ code: 0, stdout: 'hello\n' });
      counter.reset();
      expect(await echo(server, { DOCKER_HOST: counter.host })).toMatchObject({ code: 0, stdout: 'hello\n' });
      expect(counter.calls()).not.toEqual([]);
      expect(counter.writes().filter(({ path }) => !/\/exec(\/|$)/.test(path))).toEqual([]);
    } finally {
      await counter.close();
    }
  });

  test('is called as what it was made of when its tag means another image, and when it has none', async () => {
    await docker.getImage(base).tag({ repo });
    expect(await echo('own')).toMatchObject({ code: 0, stdout: 'hello\n' });
    await docker.getImage(repo).remove();
    expect(await echo('own')).toMatchObject({ code: 0, stdout: 'hello\n' });
    expect(await echo('auto')).toMatchObject({ code: 0, stdout: 'hello\n' });
  });

  test('is started again without its tag, and passes its gate', async () => {
    expect(await project.run(['mcp', 'stop', 'own'])).toExit(0);
    const started = await project.run(['mcp', 'start', 'own']);
    expect(started, started.stderr).toExit(0);
    expect(await echo('own')).toMatchObject({ code: 0, stdout: 'hello\n' });
  });
});
