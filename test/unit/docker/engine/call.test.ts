import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { call } from '../../../../src/docker/engine/connection/call.ts';
import { engineError } from '../../../../src/docker/engine/connection/errors.ts';
import { secretsScript } from '../../../../src/docker/engine/containers/container-files.ts';
import { firstFile, packTar } from '../../../../src/docker/engine/containers/tar.ts';
import { parseLog } from '../../../../src/docker/engine/logs/logs.ts';
import { mapBounded } from '../../../../src/model/values/map-bounded.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe('a call to the engine', () => {
  test('that hangs ends in engine-timeout and aborts its request', async () => {
    let aborted = false;
    const hung = call('inspect x', { limitMs: 10 }, (signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return never();
    });
    await expect(hung).rejects.toMatchObject({ code: 'engine-timeout', message: expect.stringContaining('inspect x') });
    expect(aborted).toBe(true);
  });

  test('ends when its caller’s signal aborts, before or during', async () => {
    await expect(call('x', { signal: AbortSignal.abort() }, never)).rejects.toMatchObject({ code: 'interrupted' });
    const controller = new AbortController();
    const hung = call('x', { signal: controller.signal }, never);
    controller.abort();
    await expect(hung).rejects.toMatchObject({ code: 'interrupted' });
  });

  test.each([
    [{ statusCode: 404, json: { message: 'No such container: x' } }, 'engine-not-found', 'No such container: x'],
    [{ statusCode: 409, json: { message: 'taken' } }, 'engine-conflict', 'taken'],
    [{ statusCode: 500, json: { message: 'boom' } }, 'engine-rejected', 'boom'],
    [{ statusCode: 501, json: null }, 'engine-unsupported', 'plain words'],
    [{ code: 'ECONNREFUSED' }, 'engine-unreachable', 'nothing listens'],
    [{ code: 'EACCES' }, 'engine-unreachable', 'permission'],
  ])('that fails with %j is %s', (failure, code, words) => {
    const error = engineError(Object.assign(new Error('plain words'), failure), 'do it');
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });

  test('that may not open the socket says what to do about it', () => {
    const error = engineError(Object.assign(new Error(''), { code: 'EACCES' }), 'reach it');
    expect(error.hint).toMatch(/docker|permissions/);
  });
});

test('bounded mapping keeps order and width, and starts nothing after a failure', async () => {
  let running = 0;
  let most = 0;
  const doubled = await mapBounded([1, 2, 3, 4, 5], 2, async (value) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return value * 2;
  });
  expect([doubled, most]).toEqual([[2, 4, 6, 8, 10], 2]);
  const begun: number[] = [];
  const failing = mapBounded([1, 2, 3, 4], 1, async (value) => {
    begun.push(value);
    if (value === 2) throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(begun).toEqual([1, 2]);
});

test('a small archive is what tar reads, and its first file reads back', () => {
  const archive = packTar([
    { name: './', mode: 0o755, uid: 1000, gid: 1000 },
    { name: 'a.txt', mode: 0o400, uid: 7, gid: 8, content: Buffer.from('x'.repeat(600)) },
  ]);
  expect(firstFile(archive)?.toString()).toBe('x'.repeat(600));
  expect(firstFile(packTar([]))).toBeUndefined();
  const listing = spawnSync('tar', ['--numeric-owner', '-tvf', '-'], { input: archive }).stdout.toString();
  expect(listing).toMatch(/drwxr-xr-x 1000\/1000/);
  expect(listing).toMatch(/-r-------- 7\/8\s+600 .* a\.txt/);
});

test('a shell reads secrets back exactly, and nothing in them runs', () => {
  const secrets = { A: `it's $HOME \`id\` "q" \\ $(touch x)`, B: 'two\nlines', C: '', D: 'ünï €' };
  const script = `${secretsScript(secrets)} node -p 'JSON.stringify({A: process.env.A, B: process.env.B, C: process.env.C, D: process.env.D})'`;
  expect(JSON.parse(spawnSync('sh', ['-c', script]).stdout.toString())).toEqual(secrets);
  expect(() => secretsScript({ 'a;b': 'x' })).toThrow(/cannot be the name/);
});

test('a log is read in time order, with streams, and long lines whole', () => {
  const frame = (stream: number, text: string): Buffer => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const lines = parseLog(
    Buffer.concat([
      frame(1, '2026-01-01T00:00:02.000000000Z two\n'),
      frame(2, '2026-01-01T00:00:01.000000000Z one\r\n'),
      frame(1, '2026-01-01T00:00:03.000000000Z \n'),
      frame(1, '2026-01-01T00:00:04.000000000Z end'),
    ]),
  );
  expect(lines.map(({ stream, text }) => `${stream}:${text}`)).toEqual([
    'stderr:one',
    'stdout:two',
    'stdout:',
    'stdout:end',
  ]);
  expect(lines[0]?.time).toBe(Date.UTC(2026, 0, 1, 0, 0, 1));
});
