import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { compose } from '../../../src/cli/compose/compose.ts';
import type { Composition } from '../../../src/cli/compose/composition.ts';
import { thisProgram } from '../../../src/cli/terminal/program.ts';
import { emptyFolder } from '../../support/looms.ts';

const folder = emptyFolder();
const socket = join(folder, 'engine.sock');
const environment: Record<string, string | undefined> = { HOME: folder, XDG_STATE_HOME: folder, PATH: folder };
const engine = createServer((request, response) => {
  if (request.url === '/version') return response.end(JSON.stringify({ Version: '28.5.0', ApiVersion: '1.47' }));
  response.writeHead(404).end();
});

const composed = (host: string | undefined): Promise<Composition> =>
  compose({
    host,
    context: undefined,
    program: { ...thisProgram(), environment },
    command: 'test',
    managedBy: 'looms/test',
    trustRecord: false,
    specPaths: [],
    askForTrust: async () => false,
  });

afterAll(() => engine.close());

it('asks an engine that was down again, and looks a secret that was missing up again', async () => {
  const { ports, close } = await composed(`unix://${socket}`);
  await expect(ports.orchestrator()).rejects.toMatchObject({ code: 'engine-unreachable' });
  await new Promise<void>((resolve) => engine.listen(socket, resolve));
  expect(await ports.orchestrator()).toBe(await ports.orchestrator());

  const late = { from: 'provider', name: 'late' } as const;
  expect(await ports.secrets(late)).toMatchObject({ found: false });
  environment.LOOMS_SECRET_LATE = 'here now';
  expect(await ports.secrets(late)).toMatchObject({ found: true, value: 'here now' });
  await close();
});
