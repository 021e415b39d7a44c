import { describe, expect, test } from 'vitest';
import { formatSpec } from '../../../src/spec/fields/format.ts';
import { check, document, only } from './checking.ts';

const counted = (...mcp: readonly string[]) => {
  const { replicas, scale } = only(document({ mcp: ['command: run', ...mcp] })).spec;
  return { replicas, scale };
};

describe('how many containers a server has', () => {
  test('is one, as many as it says, or as many as its sessions need', () => {
    expect(counted()).toEqual({ replicas: 1, scale: undefined });
    expect(counted('replicas: 3')).toEqual({ replicas: 3, scale: undefined });
    expect(counted('scale: { max: 4 }')).toEqual({
      replicas: 1,
      scale: { min: 1, max: 4, sessionsPerReplica: 8, idleSeconds: 300 },
    });
    expect(counted('scale: { min: 0, max: 4, sessions_per_replica: 2, idle_seconds: 30 }').scale).toEqual({
      min: 0,
      max: 4,
      sessionsPerReplica: 2,
      idleSeconds: 30,
    });
  });

  test('is read inside docker_backend, too', () => {
    const text = 'name: fs\ndocker_backend:\n  base_image: x\n  mcp_server: { command: run, replicas: 2 }\n';
    expect(only(text).spec.replicas).toBe(2);
  });

  test('is written as briefly as it can be', () => {
    const written = (...mcp: readonly string[]) => formatSpec(only(document({ mcp: ['command: run', ...mcp] })).spec);
    expect(written('replicas: 1')).not.toContain('replicas');
    expect(written('replicas: 2')).toContain('replicas: 2\n');
    expect(written('scale: { min: 1, max: 4, sessions_per_replica: 8 }')).toContain('  scale:\n    max: 4\n');
    expect(written('scale: { min: 0, max: 4, sessions_per_replica: 3 }')).toContain(
      '  scale:\n    min: 0\n    max: 4\n    sessions_per_replica: 3\n',
    );
  });

  test('is said in one way, where both stand', () => {
    expect(check(document({ mcp: ['command: run', 'replicas: 2', 'scale: { max: 4 }'] }))).toBe(
      '6:3 error[conflict] mcp_server.replicas: replicas and scale contradict one another [7:3 scale is here] (hint: keep one of them: replicas for a fixed number, scale for one that follows the sessions)',
    );
  });

  test('has a least that is no more than its most, which has to be said', () => {
    expect(check(document({ mcp: ['command: run', 'scale: { min: 5, max: 4 }'] }))).toBe(
      '6:25 error[conflict] mcp_server.scale.max: max (4) is less than min (5) [6:12 min is here] (hint: write max as the most containers, and min as the fewest)',
    );
    expect(check(document({ mcp: ['command: run', 'scale: { min: 0 }'] }))).toBe(
      '6:3 error[missing-key] mcp_server.scale: scale needs max',
    );
    expect(check(document({ mcp: ['command: run', 'scale: { max: 101 }', 'replicas: 0'] }))).toMatch(
      /max: expected a whole number from 1 to 100, got 101[\s\S]*replicas: expected a whole number from 1 to 100, got 0/,
    );
  });
});
