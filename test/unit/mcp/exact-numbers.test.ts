import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { resultParts } from '../../../src/mcp/client/answers/content.ts';
import { validateArguments } from '../../../src/mcp/client/arguments/argument-validation.ts';
import { parseArguments, parseJsonArguments } from '../../../src/mcp/client/arguments/arguments.ts';
import { toolDetails } from '../../../src/mcp/client/arguments/tool-details.ts';
import { openSession } from '../../../src/mcp/client/connect.ts';
import type { Session, SessionOptions, SessionTarget } from '../../../src/mcp/client/session.ts';
import { canonicalJson } from '../../../src/model/values/canonical-json.ts';
import { parseExactly } from '../../../src/model/values/exact-number.ts';
import { maskValues } from '../../../src/secrets/mask-values.ts';
import { freePort } from '../../support/free-port.ts';
import { fixture, localEngine, targetFor } from './local-engine.ts';

const written = '{"id":9007199254740993,"list":[1e400,-0,{"deep":0.1000000000000000055}],"one":1.0,"plain":5}';
const answered =
  '{"id":9007199254740993,"big":1e400,"small":0.1000000000000000055,"zero":-0,"one":1.0,"text":"1e400 \\" 1.0"}';

it.each([
  '0',
  '-0',
  '-1',
  '123456789012345',
  '1234567890123456',
  '-1234567890123456',
  '1.0',
  '1e5',
  '1E5',
  '0e0',
  '[ -0 ]',
  '[1,-0]',
  '{"a":-0}',
  '{"a": 10,"b":[0,12,\n9007199254740993]}',
  '["2026-07-28","1.0 -0",1]',
  '"1.5"',
  '[\t1e400]',
  '{"a":1.5,"b":"-0"}',
])('%s is written as it was read', (text) => {
  const spaces = /\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g;
  expect(JSON.stringify(parseExactly(text))).toBe(text.replaceAll(spaces, ''));
});

const sessions: Session[] = [];
const ends: (() => void)[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  for (const end of ends.splice(0)) end();
});

/** A session with the server that tells what it got, over one way and in one era. */
async function open(
  way: 'stdio' | 'json' | 'events',
  era: 'legacy' | 'modern',
  flags: string[],
  options: SessionOptions,
) {
  const argv = [fixture('exact.mjs'), ...(era === 'modern' ? ['--modern'] : []), ...flags];
  const protocol = era === 'modern' ? '2026-07-28' : 'legacy';
  const { engine } = localEngine();
  let target: SessionTarget = targetFor(engine, [process.execPath, ...argv], { mcp: { protocol } });
  if (way !== 'stdio') {
    const port = await freePort();
    const child = spawn(process.execPath, argv, {
      env: { ...process.env, PORT: String(port) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    ends.push(() => child.kill('SIGKILL'));
    await once(child.stderr, 'data');
    target = {
      ...targetFor(engine, [], {
        mcp: { protocol, transport: { kind: 'streamable-http', port, path: way === 'json' ? '/mcp' : '/events' } },
      }),
      reach: { way: 'relay', host: '127.0.0.1' },
    };
  }
  const session = await openSession(target, options);
  sessions.push(session);
  return session;
}

const ways = (['stdio', 'json', 'events'] as const).flatMap((way) => [
  [way, 'legacy'] as const,
  [way, 'modern'] as const,
]);

describe('numbers over the wire', () => {
  it.each(ways)('go out and come back as they are written (%s, %s)', async (way, era) => {
    const session = await open(way, era, [], {});
    const result = await session.callTool('tell', parseJsonArguments(written), { timeoutMs: 60_000 });
    expect(result.content[0]?.text).toContain(`"arguments":${written}`);
    expect(JSON.stringify(result.structuredContent)).toBe(answered);
    expect(JSON.stringify(result.content[0]?.annotations)).toBe('{"priority":1.0}');
    expect(result).not.toHaveProperty('resultType');
    const { tools } = await session.listTools();
    expect(JSON.stringify(tools[0]?.inputSchema)).toContain('"minimum":1.0,"default":9007199254740993');
  });

  it.each([['stdio', 'legacy'] as const, ['stdio', 'modern'] as const, ['json', 'modern'] as const])(
    'of an answer to a question go out as they are written (%s, %s)',
    async (way, era) => {
      const { exactNumber } = await import('../../../src/model/values/exact-number.ts');
      const count = exactNumber('9007199254740993');
      const session = await open(way, era, ['--ask'], {
        answer: async () => ({ action: 'accept', content: { count } }),
      });
      const result = await session.callTool('tell', {}, { timeoutMs: 60_000 });
      expect(result.content[0]?.text).toContain('"content":{"count":9007199254740993}');
    },
  );
});

describe('numbers of arguments', () => {
  const schema = {
    type: 'object',
    properties: {
      id: { type: 'integer' },
      ratio: { type: 'number' },
      ids: { type: 'array', items: { type: 'integer' } },
      any: {},
    },
  };
  const noFiles = async (): Promise<string> => '';
  it.each([
    ['id:=9007199254740993', '{"id":9007199254740993}'],
    ['id=9007199254740993', '{"id":9007199254740993}'],
    ['id=-12345678901234567890', '{"id":-12345678901234567890}'],
    ['id=5.0', '{"id":5}'],
    ['id=+5', '{"id":5}'],
    ['ratio=1e400', '{"ratio":1e400}'],
    ['ratio=0.1000000000000000055', '{"ratio":0.1000000000000000055}'],
    ['ratio=-0', '{"ratio":-0}'],
    ['ids=[9007199254740993]', '{"ids":[9007199254740993]}'],
    ['any=9007199254740993', '{"any":9007199254740993}'],
    ['any={"a":[1e400]}', '{"any":{"a":[1e400]}}'],
  ])('%s is %s', async (word, text) => {
    const args = await parseArguments([word], schema, noFiles);
    expect(JSON.stringify(args)).toBe(text);
    expect(validateArguments(schema, args)).toEqual({ valid: true });
    expect(canonicalJson(args)).toBe(text);
    expect(JSON.stringify(maskValues(args, (value) => value))).toBe(text);
  });

  it('are checked by their value', () => {
    const bounded = {
      type: 'object',
      properties: { id: { type: 'integer', maximum: 10 }, ratio: { type: 'number', maximum: 10 } },
    };
    const check = (text: string) => validateArguments(bounded, parseJsonArguments(text));
    expect(check('{"id":9007199254740993}')).toMatchObject({ valid: false, problems: ['id must be <= 10'] });
    expect(check('{"ratio":1e400}')).toMatchObject({ valid: false, problems: ['ratio must be <= 10'] });
    expect(check('{"id":1.0}')).toEqual({ valid: true });
    expect(check('{"id":1.5}')).toMatchObject({ valid: false });
  });

  it('that are among the allowed values are those', async () => {
    const { properties } = parseJsonArguments('{"properties":{"id":{"enum":[9007199254740993,1.0]}}}');
    const args = await parseArguments(['id=9007199254740993'], { properties }, noFiles);
    expect(JSON.stringify(args)).toBe('{"id":9007199254740993}');
    await expect(parseArguments(['id=3'], { properties }, noFiles)).rejects.toThrow(
      'must be one of 9007199254740993, 1.0',
    );
  });

  it('are no objects', () => {
    expect(() => parseJsonArguments('9007199254740993')).toThrow('the arguments are a number');
  });
});

describe('numbers that are shown', () => {
  it('are shown as they are written', () => {
    const structuredContent = parseJsonArguments(answered);
    const [part] = resultParts({ content: [], structuredContent });
    expect(part).toMatchObject({ text: expect.stringContaining('"id": 9007199254740993,\n  "big": 1e400') });
    const inputSchema = parseJsonArguments(
      '{"type":"object","required":["id"],"properties":{"id":{"type":"integer","minimum":1.0,"default":9007199254740993}}}',
    );
    const { arguments: rows, example } = toolDetails({ name: 'tell', inputSchema });
    expect(rows[0]).toMatchObject({ notes: ['default 9007199254740993', 'at least 1.0'] });
    expect(example).toEqual(['id=9007199254740993']);
  });
});
