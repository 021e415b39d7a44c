import { describe, expect, it } from 'vitest';
import { isoMoment, parseMoment, parseSeconds } from '../../../src/model/values/moment.ts';

const now = Date.parse('2026-11-21T12:00:00.000Z');
const parse = (text: string) => isoMoment(parseMoment(text, '--since'), now);

describe('a moment on the command line', () => {
  it.each([
    ['90s', '2026-11-21T11:58:30.000Z'],
    ['250ms', '2026-11-21T11:59:59.750Z'],
    ['1h30m', '2026-11-21T10:30:00.000Z'],
    ['2d', '2026-11-19T12:00:00.000Z'],
    ['1.5d', '2026-11-20T00:00:00.000Z'],
    ['1w', '2026-11-14T12:00:00.000Z'],
    ['2026-11-20', '2026-11-20T00:00:00.000Z'],
    ['2026-11-20T08:00Z', '2026-11-20T08:00:00.000Z'],
    ['2026-11-20T08:00:00.5+02:00', '2026-11-20T06:00:00.500Z'],
    ['1700000000.25', '2023-11-14T22:13:20.250Z'],
    ['100000d', '1970-01-01T00:00:00.000Z'],
  ])('%s is %s', (text, moment) => {
    expect(parse(text)).toBe(moment);
  });

  it('that is a span stays one: the engine has a clock of its own', () => {
    expect(parseMoment('2h30m', '--until')).toEqual({ agoMs: 9_000_000 });
  });

  it.each([
    '',
    'soon',
    '5',
    '10',
    '5x',
    '-5m',
    '-1h',
    '1y',
    '2026-13-01',
    '2026-11-20T08:00:00',
    '99999999999d',
    '20.11.2026',
  ])('%j is none', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

it('a duration is one grammar: bare seconds or units', () => {
  expect(['90', '90s', '5m', '1h30m', '2d', '1w', '0'].map(parseSeconds)).toEqual([
    90, 90, 300, 5400, 172_800, 604_800, 0,
  ]);
  for (const text of ['', '-1', '5x', 'm', '1e3', '9'.repeat(20)]) expect(parseSeconds(text)).toBeUndefined();
});
