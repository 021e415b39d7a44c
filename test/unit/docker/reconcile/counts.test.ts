import { expect, it } from 'vitest';
import { composeExporter } from '../../../../src/docker/export/compose-file.ts';
import { emptyEngine, plan, server } from '../../../support/planner-world.ts';

const scale = { min: 1, max: 1, sessionsPerReplica: 8, idleSeconds: 300 };

it('is blocked where a server asks for more than the one container that an engine runs, with the place and a way on', () => {
  const [change] = plan([server('a', { replicas: 3 })], emptyEngine()).changes;
  expect(change).toMatchObject({
    action: 'blocked',
    why: {
      kind: 'unsupported',
      detail: 'mcp.yaml:1: mcp_server.replicas: 3 containers are asked for, and an engine runs one of a server',
      hint: 'run it on a cluster (--context kubernetes:NAME), or take it out',
    },
  });
  for (const other of [
    { min: 0, max: 1 },
    { min: 1, max: 4 },
  ]) {
    const [scaled] = plan([server('a', { scale: { ...scale, ...other } })], emptyEngine()).changes;
    expect(scaled).toMatchObject({ action: 'blocked', why: { kind: 'unsupported' } });
  }
});

it('is made where it asks for what one container gives, and left alone where it is disabled', () => {
  expect(plan([server('a', { scale })], emptyEngine()).changes[0]?.action).toBe('create');
  expect(plan([server('a', { replicas: 3, enabled: false })], emptyEngine()).changes[0]?.action).toBe('unchanged');
});

it('is refused by Compose where it needs several, and told where it would follow its sessions', () => {
  const told = (change: Parameters<typeof server>[1]) =>
    composeExporter
      .unlike(server('a', change).spec, { registry: undefined })
      .filter(({ path }) => /replicas|scale/.test(path))
      .map(({ kind, path }) => `${kind} ${path}`);
  expect(told({})).toEqual([]);
  expect(told({ replicas: 2 })).toEqual(['refused mcp_server.replicas']);
  expect(told({ scale: { ...scale, min: 0, max: 4 } })).toEqual(['approximate mcp_server.scale']);
});
