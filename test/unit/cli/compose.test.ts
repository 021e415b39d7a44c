import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { compose } from '../../../src/cli/compose/compose.ts';
import type { Composition } from '../../../src/cli/compose/composition.ts';
import { watched } from '../../../src/cli/compose/secret-stores.ts';
import { thisProgram } from '../../../src/cli/terminal/program.ts';
import { emptyFolder } from '../../support/looms.ts';

const folder = emptyFolder();
const socket = join(folder, 'engine.sock');
const environment: Record<string, string | undefined> = { HOME: folder, XDG_STATE_HOME: folder, PATH: folder };
const engine = createServer((request, response) => {
  if (request.url === '/version') return response.end(JSON.stringify({ Version: '28.5.0', ApiVersion: '1.47' }));
  response.writeHead(404).end();
});

const composed = (host: string | undefined, workingDirectory = process.cwd()): Promise<Composition> =>
  compose({
    host,
    context: undefined,
    program: { ...thisProgram(), environment, workingDirectory },
    command: 'test',
    managedBy: 'looms/test',
    goesOn: false,
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

it('masks the newest values of a secret that changes for as long as the program lives, and what is used again', async () => {
  const values = Array.from({ length: 60 }, (_, hour) => `password-of-hour-${hour}-`);
  let hour = 0;
  const store = async () => async (ref: { readonly name: string }) =>
    ({ found: true, value: ref.name === 'steady' ? 'never-changed' : (values[hour] ?? ''), provider: 'test' }) as const;
  const { secrets, redact } = await watched(store, ['of-the-proxy']);
  const read = (name: string) => secrets({ from: 'provider', name });
  await read('steady');
  for (hour = 0; hour < 60; hour += 1) await read('rotating');
  const shown = (text: string): boolean => redact(text) === text;
  expect(values.filter(shown)).toEqual(values.slice(0, 36));
  expect(['never-changed', 'of-the-proxy'].filter(shown)).toEqual([]);

  hour = 40;
  await read('rotating');
  for (const next of ['one-more', 'and-one-more', ...Array.from({ length: 21 }, (_, at) => `later-${at}-`)]) {
    values[40] = next;
    await read('rotating');
  }
  expect(shown('password-of-hour-40-')).toBe(false);
});

it('knows that looms.yaml names other engines by now, in whatever lines it does, and where nothing wins over it', async () => {
  const place = emptyFolder();
  const write = (text: string): void => writeFileSync(join(place, 'looms.yaml'), text);
  const both = 'engines: { a: { context: a, labels: { x: 1, y: 2 } }, b: { host: "ssh://b" } }\n';
  write(both);
  const { requireSameEngines, close } = await composed(undefined, place);
  const byFlag = await composed(`unix://${socket}`, place);
  for (const same of [
    both,
    `project: other\n${both}`,
    'engines:\n  a: { labels: { y: 2, x: 1 }, context: a }\n  b: { host: "ssh://b" }\n',
    'engines: {',
  ]) {
    write(same);
    await requireSameEngines();
  }
  for (const other of [
    both.replace('ssh://b', 'ssh://c'),
    both.replace('y: 2', 'y: 3'),
    both.replace(/ }\n$/, ', c: { context: c } }\n'),
    'engine: { context: a }\n',
    '',
  ]) {
    write(other);
    await expect(requireSameEngines()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('other engines'),
    });
    await byFlag.requireSameEngines();
  }
  await Promise.all([close(), byFlag.close()]);
});
