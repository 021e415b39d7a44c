import { expect, it } from 'vitest';
import type { Env, Transport } from '../../../src/model/desired.ts';
import { compareSpecs } from '../../../src/model/plan/compare-specs.ts';
import { server } from '../../support/planner-world.ts';

const literal = (value: string) => ({ kind: 'literal', value }) as const;
const recorded = (env: Env) => {
  const { spec } = server('a');
  return { spec: { ...spec, mcp: { ...spec.mcp, env } }, image: 'example:1' };
};
const differences = (before: Env, after: Env) =>
  compareSpecs(recorded(before), recorded(after)).map(({ path, from, to }) => `${path}: ${from} -> ${to}`);

it('shows a variable as it is written', () => {
  expect(differences({ LOG_LEVEL: literal('info') }, { LOG_LEVEL: literal('debug') })).toEqual([
    'mcp_server.env.LOG_LEVEL: info -> debug',
  ]);
});

it('shows no credential that a file holds as a literal, by the name of its variable or by its form', () => {
  const before = { DB_PASSWORD: literal('old'), UPSTREAM: literal('https://me:old@example.com/') };
  const after = {
    DB_PASSWORD: literal('new'),
    UPSTREAM: literal('https://me:new@example.com/'),
    API_KEY: literal('k'),
  };
  expect(differences(before, after)).toEqual([
    'mcp_server.env.API_KEY: none -> (secret)',
    'mcp_server.env.DB_PASSWORD: (secret) -> (secret) (another value)',
    'mcp_server.env.UPSTREAM: (secret) -> (secret) (another value)',
  ]);
});

it('says that a secret comes from elsewhere, where both values are one', () => {
  const from = (name: string): Env => ({ TOKEN: { kind: 'secret', parts: [{ from: 'provider', name }] } });
  expect(differences(from('a'), from('b'))).toEqual(['mcp_server.env.TOKEN: (secret) -> (secret) (from elsewhere)']);
});

it('does not show the text that was readable in the record of what is a secret now', () => {
  const after: Env = { GREETING: { kind: 'secret', parts: ['x-', { from: 'environment', name: 'V' }] } };
  expect(differences({ GREETING: literal('x-hunter2') }, after)).toEqual([
    'mcp_server.env.GREETING: (readable in the record) -> (secret)',
  ]);
});

it('names the fields of a transport as a file has them', () => {
  const as = (transport: Transport) => {
    const { spec } = server('a');
    return { spec: { ...spec, mcp: { ...spec.mcp, transport } }, image: 'example:1' };
  };
  const http = { kind: 'streamable-http', port: 3001, path: '/mcp' } as const;
  const changed = compareSpecs(as(http), as({ kind: 'sse', port: 3002, path: '/sse' }));
  expect(changed.map(({ path }) => path).sort()).toEqual([
    'mcp_server.path',
    'mcp_server.port',
    'mcp_server.transport',
  ]);
});

it('shows of a list of mounts those that differ, by the field that does', () => {
  const as = (...mounts: readonly (readonly [source: string, target: string, readOnly: boolean])[]) => ({
    spec: {
      ...server('a').spec,
      mounts: mounts.map(([source, target, readOnly]) => ({ type: 'volume' as const, source, target, readOnly })),
    },
    image: 'example:1',
  });
  const told = (before: ReturnType<typeof as>, after: ReturnType<typeof as>) =>
    compareSpecs(before, after).map(({ path, from, to }) => `${path}: ${from} -> ${to}`);
  const data = ['data', '/data', true] as const;
  expect(told(as(data, ['notes', '/notes', true]), as(data, ['notes', '/notes', false]))).toEqual([
    'docker_backend.volume_mounts[1].read_only: true -> false',
  ]);
  expect(told(as(data), as(['notes', '/notes', true], data))).toEqual([
    'docker_backend.volume_mounts[0]: none -> {"read_only":true,"source":"notes","target":"/notes","type":"volume"}',
  ]);
  expect(told(as(data), as())).toEqual([
    'docker_backend.volume_mounts[/data]: {"read_only":true,"source":"data","target":"/data","type":"volume"} -> none',
  ]);
  // Two went and one came: that one is at its place in the file, and the file has none for the one that only went.
  expect(told(as(['a', '/a', true], data), as(['b', '/a', true]))).toEqual([
    'docker_backend.volume_mounts[0].source: a -> b',
    'docker_backend.volume_mounts[/data]: {"read_only":true,"source":"data","target":"/data","type":"volume"} -> none',
  ]);
  expect(told(as(data, ['b', '/b', true]), as(['b', '/b', true], data))).toHaveLength(1);
});

it('names a target that is allowed no more by its host and port', () => {
  const as = (...hosts: readonly string[]) => ({
    spec: server('a', { network: { egress: hosts.map((host) => ({ host, port: 443, tls: true })) } }).spec,
    image: 'example:1',
  });
  expect(compareSpecs(as('a.example', 'b.example'), as('a.example')).map(({ path }) => path)).toEqual([
    'docker_backend.network.egress[b.example:443]',
  ]);
});
