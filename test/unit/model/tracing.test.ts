import { describe, expect, test } from 'vitest';
import { readTraceLine } from '../../../src/model/trail/trace-line.ts';
import { idsOf, startedIn, traceContextIn } from '../../../src/model/trail/tracing.ts';

const valid = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

describe('a trace context', () => {
  test('is taken where it is one of W3C Trace Context', () => {
    expect(traceContextIn({ traceparent: valid, tracestate: 'vendor=1' })).toEqual({
      traceparent: valid,
      tracestate: 'vendor=1',
    });
    expect(startedIn({ TRACEPARENT: valid })).toEqual({ traceparent: valid });
    expect(idsOf({ traceparent: valid })).toEqual({ trace: 'a'.repeat(32), span: 'b'.repeat(16) });
  });

  test.each([
    undefined,
    'text',
    {},
    { traceparent: 7 },
    { traceparent: valid.toUpperCase() },
    { traceparent: `${valid}-more` },
    { traceparent: `01${valid.slice(2)}` },
    { traceparent: `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01` },
    { traceparent: `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01` },
  ])('is nothing else: %j', (fields) => {
    expect(traceContextIn(fields)).toBeUndefined();
  });

  test('loses a state that is too long or holds more than text', () => {
    for (const tracestate of ['x'.repeat(513), 'a\nb', '', 7]) {
      expect(traceContextIn({ traceparent: valid, tracestate })).toEqual({ traceparent: valid });
    }
  });
});

describe('a line of loom’s trace library', () => {
  const span = { name: 'query', start_time: '2026-11-29T01:00:00.000001Z', end_time: '2026-11-29T01:00:01Z' };
  const line = (more: object): string => `__LOOM_TRACE__:${JSON.stringify({ ...span, ...more })}`;

  test('is a span', () => {
    const attributes = { query: 'SELECT 1', rows: 3, cached: false, nested: { no: 1 }, bad: null };
    expect(readTraceLine(line({ status: 'error', attributes }))).toEqual({
      name: 'query',
      startMs: Date.parse('2026-11-29T01:00:00Z'),
      endMs: Date.parse('2026-11-29T01:00:01Z'),
      failed: true,
      attributes: { query: 'SELECT 1', rows: 3, cached: false },
    });
  });

  test.each([
    'plain text',
    ` ${line({})}`,
    '__LOOM_TRACE__:{"name":',
    '__LOOM_TRACE__:[]',
    line({ name: '' }),
    line({ end_time: null }),
    line({ end_time: 'soon' }),
    line({ end_time: '2026-11-29T00:00:00Z' }),
    line({ end_time: '2027-11-29T00:00:00Z' }),
    line({ attributes: { long: 'x'.repeat(64_000) } }),
  ])('is no span where it does not hold together: %#', (text) => {
    expect(readTraceLine(text)).toBeUndefined();
  });

  test('is bounded', () => {
    const attributes = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, 'x'.repeat(600)]));
    const read = readTraceLine(line({ name: 'n'.repeat(1000), attributes: { ['k'.repeat(200)]: 1, ...attributes } }));
    expect(read?.name.length).toBe(200);
    expect(Object.keys(read?.attributes ?? {})).toHaveLength(32);
  });
});
