import { afterEach, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/mcp/client/connect.ts';
import type { Session } from '../../../src/mcp/client/session.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { fixture, localEngine, targetFor } from './local-engine.ts';

const bounds = { timeoutMs: 60_000 };
const sessions: Session[] = [];
async function open(...flags: string[]): Promise<Session> {
  const argv = [process.execPath, fixture('offers.mjs'), ...flags];
  const session = await openSession(targetFor(localEngine().engine, argv));
  sessions.push(session);
  return session;
}
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
});

describe.each(['legacy', '2026-07-28'] as const)('a server of the current SDK, spoken to by %s', (protocol) => {
  it('lists, reads and renders', async () => {
    const argv = [process.execPath, fixture('sdk2-stdio.mjs'), '--offers'];
    const session = await openSession(targetFor(localEngine().engine, argv, { mcp: { protocol } }));
    sessions.push(session);
    expect((await session.listResources()).resources).toMatchObject([{ uri: 'file:///notes.txt', name: 'notes' }]);
    expect((await session.readResource('file:///notes.txt', bounds)).contents).toMatchObject([{ text: 'notes' }]);
    expect(await failureOf(session.readResource('file:///note.txt', bounds))).toMatchObject({
      code: 'resource-not-found',
      hint: expect.stringContaining('did you mean file:///notes.txt?'),
    });
    expect(await session.findPrompt('greet')).toMatchObject({ arguments: [{ name: 'name', required: true }] });
    expect((await session.getPrompt('greet', { name: 'Ada' }, bounds)).messages).toMatchObject([
      { role: 'user', content: { text: 'hello Ada' } },
    ]);
  });
});

async function failureOf(promise: Promise<unknown>): Promise<Pick<LoomsError, 'code' | 'message' | 'hint'>> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof LoomsError)) throw new Error(`expected a LoomsError, got ${String(error)}`);
  return { code: error.code, message: error.message, hint: error.hint };
}

describe('resources', () => {
  it('are listed over all pages, sorted, with fields that we do not know', async () => {
    const { offered, resources, resourceTemplates } = await (await open()).listResources();
    expect(offered).toBe(true);
    expect(resources.map(({ uri }) => uri)).toEqual(['file:///agenda.txt', 'file:///logo.png', 'file:///notes.txt']);
    expect(resources[0]?.['x-odd']).toBe(1);
    expect(resourceTemplates).toEqual([{ uriTemplate: 'file:///{path}', name: 'any' }]);
  });

  it('may come without templates', async () => {
    expect(await (await open('--no-templates')).listResources()).toMatchObject({
      offered: true,
      resourceTemplates: [],
    });
  });

  it('are none for a server without the capability, and reading one says so', async () => {
    const session = await open('--nothing');
    expect(await session.listResources()).toEqual({ offered: false, resources: [], resourceTemplates: [] });
    expect(await failureOf(session.readResource('file:///notes.txt', bounds))).toMatchObject({
      code: 'resource-not-found',
      message: 'unit offers no resources',
    });
  });

  it('that have no URI are refused', async () => {
    expect((await failureOf((await open('--without-uri')).listResources())).message).toBe(
      'unit lists a resource without a uri: {"name":"x"}',
    );
  });

  it('are read as received, also those that only a template names', async () => {
    const session = await open();
    expect(await session.readResource('file:///notes.txt', bounds)).toEqual({
      contents: [{ uri: 'file:///notes.txt', mimeType: 'text/plain', text: 'notes' }],
      'x-odd': 2,
    });
    expect((await session.readResource('file:///anything', bounds)).contents).toEqual([
      { uri: 'file:///anything', text: 'by template' },
    ]);
  });

  it.each([
    ['of the current revisions', []],
    ['of the older ones', ['--old-code']],
  ])('that are not there are answered with the nearest, by the code %s', async (_, flags) => {
    const session = await open(...flags);
    expect(await failureOf(session.readResource('file:///note.txt', bounds))).toEqual({
      code: 'resource-not-found',
      message: 'unit has no resource file:///note.txt',
      hint: 'did you mean file:///notes.txt? `looms mcp resources unit` lists what it has',
    });
  });

  it('that cannot be read for another reason are a JSON-RPC error', async () => {
    expect(await failureOf((await open('--broken')).readResource('file:///notes.txt', bounds))).toMatchObject({
      code: 'json-rpc-error',
      message: expect.stringContaining('the disk is away'),
    });
  });
});

describe('prompts', () => {
  it('are listed sorted, and found by their exact name', async () => {
    const session = await open();
    expect((await session.listPrompts()).prompts.map(({ name }) => name)).toEqual(['greet', 'review']);
    expect((await session.findPrompt('greet')).name).toBe('greet');
    expect(await failureOf(session.findPrompt('gret'))).toMatchObject({
      code: 'prompt-not-found',
      hint: 'did you mean greet?',
    });
    expect((await failureOf(session.findPrompt('zzz'))).hint).toBe('It has: greet, review.');
  });

  it('are rendered with their arguments', async () => {
    const { messages } = await (await open()).getPrompt('review', { file: 'a.ts' }, bounds);
    expect(messages).toEqual([{ role: 'user', content: { type: 'text', text: 'review {"file":"a.ts"}' } }]);
  });

  it('that take too long are a timeout', async () => {
    const session = await open('--slow');
    expect(await failureOf(session.getPrompt('greet', {}, { timeoutMs: 200 }))).toMatchObject({
      code: 'call-timeout',
      message: 'unit did not answer prompts/get of greet within 200ms',
    });
  });

  it('are none for a server without the capability', async () => {
    const session = await open('--nothing');
    expect(await session.listPrompts()).toEqual({ offered: false, prompts: [] });
    expect((await failureOf(session.findPrompt('greet'))).message).toBe('unit offers no prompts');
  });
});
