import { describe, expect, it } from 'vitest';
import { checkInTime } from '../../../src/mcp/client/arguments/check-in-time.ts';
import { alternativesOf } from '../../../src/mcp/client/arguments/schema.ts';

const hostile = { type: 'object', properties: { name: { type: 'string', pattern: '^(a+)+$' } } };
const long = { name: `${'a'.repeat(60)}!` };

describe('the check of arguments in time', () => {
  it('says what the check says', async () => {
    expect(await checkInTime(hostile, { name: 'aaa' })).toEqual({ valid: true });
    expect(await checkInTime(hostile, { name: 5 })).toEqual({
      valid: false,
      problems: ['name must be of type string'],
      fields: { name: 'name must be of type string' },
    });
    expect(await checkInTime({ type: 'nonsense' }, {})).toMatchObject({ valid: 'unknown' });
  });

  it('gives a schema up that repeats itself through references', async () => {
    const levels = Array.from({ length: 40 }, (_, level) => {
      const next = { $ref: `#/$defs/d${level + 1}` };
      return [`d${level}`, { allOf: [next, { not: { not: next } }] }] as const;
    });
    const $defs = { ...Object.fromEntries(levels), d40: { type: 'object' } };
    expect(await checkInTime({ $ref: '#/$defs/d0', $defs }, {}, { limitMs: 1_000 })).toMatchObject({
      valid: 'unknown',
    });
  });

  it('gives a pattern up that takes too long', async () => {
    expect(await checkInTime(hostile, long, { limitMs: 1_000 })).toEqual({
      valid: 'unknown',
      warning: "the arguments are sent unchecked: the check against the tool's input schema takes more than 1s",
    });
  });

  it('ends when it is interrupted, before and during', async () => {
    const before = AbortSignal.abort();
    await expect(checkInTime(hostile, long, { signal: before })).rejects.toMatchObject({ code: 'interrupted' });
    const during = AbortSignal.timeout(300);
    await expect(checkInTime(hostile, long, { signal: during })).rejects.toMatchObject({ code: 'interrupted' });
  });
});

it('a schema that offers itself many times over is read in bounded time', () => {
  const self = { $ref: '#/$defs/self' };
  const root = { $defs: { self: { anyOf: Array.from({ length: 200 }, () => self) } } };
  expect(alternativesOf(self, root)).toHaveLength(1_000);
});
