import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { awakeBounds, boundsOf, boundsText, compareCounts, within } from '../../../src/model/replicas.ts';
import { forAll } from '../../support/properties.ts';

const scale = (min: number, max: number, more: object = {}) => ({
  replicas: 1,
  scale: { min, max, sessionsPerReplica: 8, idleSeconds: 300, ...more },
});

describe('how many containers there may be', () => {
  test('is one number, or a range; while one has to serve it is one at least', () => {
    expect(boundsOf({ replicas: 3 })).toEqual({ least: 3, most: 3 });
    expect(boundsOf(scale(0, 5))).toEqual({ least: 0, most: 5 });
    expect(awakeBounds(scale(0, 5))).toEqual({ least: 1, most: 5 });
    expect([boundsText(boundsOf({ replicas: 3 })), boundsText(boundsOf(scale(0, 5)))]).toEqual(['3', '0 to 5']);
  });

  test('is the nearest within them', () => {
    forAll(fc.tuple(fc.nat(20), fc.nat(20), fc.nat(60)), ([least, more, count]) => {
      const bounds = { least, most: least + more };
      const found = within(bounds, count);
      expect(found).toBeGreaterThanOrEqual(least);
      expect(found).toBeLessThanOrEqual(bounds.most);
      if (count >= least && count <= bounds.most) expect(found).toBe(count);
    });
  });
});

test('two specs differ in the fields that say it, by their names in a file', () => {
  expect(compareCounts({ replicas: 1 }, { replicas: 1 })).toEqual([]);
  expect(compareCounts({ replicas: 1 }, { replicas: 3 })).toEqual([
    { path: 'mcp_server.replicas', from: '1', to: '3' },
  ]);
  expect(compareCounts(scale(0, 5), scale(0, 6, { idleSeconds: 60 }))).toEqual([
    { path: 'mcp_server.scale.max', from: '5', to: '6' },
    { path: 'mcp_server.scale.idle_seconds', from: '300', to: '60' },
  ]);
  expect(compareCounts({ replicas: 1 }, scale(0, 5)).map(({ path, from }) => `${path} ${from}`)).toEqual([
    'mcp_server.replicas 1',
    'mcp_server.scale.min none',
    'mcp_server.scale.max none',
    'mcp_server.scale.sessions_per_replica none',
    'mcp_server.scale.idle_seconds none',
  ]);
});
