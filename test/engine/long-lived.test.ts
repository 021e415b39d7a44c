import { connect as connectSocket, createServer, type Server } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callTool } from '../../src/app/talk/call-tool.ts';
import { compose } from '../../src/cli/compose/compose.ts';
import type { Composition } from '../../src/cli/compose/composition.ts';
import { thisProgram } from '../../src/cli/terminal/program.ts';
import { asProjectName, asServerName } from '../../src/model/ids.ts';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';
import { emptyFolder } from '../support/looms.ts';
import { changed } from '../support/odd-servers.ts';
import { testProject } from '../support/test-project.ts';
import { tinySpec } from '../support/tiny-server.ts';

const engineSocket = () => (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');

/** A program that outlives what it needs: nothing that failed once is frozen in it. */
describe.skipIf(withoutEngine())('a program that was started before its engine and its secret were there', () => {
  const project = testProject('long-lived');
  const folder = emptyFolder();
  const socket = join(folder, 'late.sock');
  const environment: Record<string, string | undefined> = {
    PATH: process.env.PATH,
    HOME: homedir(),
    XDG_STATE_HOME: folder,
    LOOMS_SECRET_LATE: 'at first',
  };
  let lateEngine: Server | undefined;
  let composition: Composition;

  beforeAll(async () => {
    const spec = changed(tinySpec({ name: 'patient' }), { mcp: { env: { API_TOKEN: '${secret:late}' } } });
    const { code, stderr } = await project.apply(spec, [], { env: { LOOMS_SECRET_LATE: 'at first' } });
    expect(code, stderr).toBe(0);
    delete environment.LOOMS_SECRET_LATE;
    composition = await compose({
      host: `unix://${socket}`,
      context: undefined,
      program: { ...thisProgram(), environment },
      command: 'test',
      managedBy: 'looms/test',
      goesOn: true,
      trustRecord: true,
      specPaths: [],
      askForTrust: async () => true,
    });
  });
  afterAll(async () => {
    await composition?.close();
    lateEngine?.close();
    await project.remove();
  });

  const call = () =>
    callTool(
      composition.ports,
      {
        project: asProjectName(project.name),
        server: asServerName('patient'),
        tool: 'secret',
        arguments: { kind: 'words', words: [] },
        auditArguments: false,
        policies: [],
      },
      { onWarning: () => {} },
    );

  test('calls a server as soon as they are', async () => {
    await expect(call()).rejects.toMatchObject({ code: 'engine-unreachable' });
    lateEngine = createServer({ allowHalfOpen: true }, (client) => {
      const engine = connectSocket({ path: engineSocket(), allowHalfOpen: true });
      client.pipe(engine).pipe(client);
      for (const [one, other] of [
        [client, engine],
        [engine, client],
      ] as const)
        one.on('error', () => other.destroy());
    }).listen(socket);
    await expect(call()).rejects.toMatchObject({ code: 'secret-missing' });
    environment.LOOMS_SECRET_LATE = 'here now';
    expect((await call()).parts).toEqual([{ kind: 'text', text: 'token=here now' }]);
  });

  test('leaves no session of a call behind, although it goes on', async () => {
    for (let turn = 0; turn < 3; turn += 1) await call();
    await eventually(async () => {
      const { Processes } = await project.container('patient').top();
      expect(
        Processes.map((row: readonly string[]) => row.at(-1)).filter((line: string) => !/docker-init|sleep/.test(line)),
      ).toEqual([]);
    }, 10_000);
  });
});
