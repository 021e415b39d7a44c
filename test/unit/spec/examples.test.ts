import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadDocuments } from '../../../src/spec/load.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = `${root}examples/`;
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const schemaOf = (name: string) => JSON.parse(readFileSync(`${root}schemas/${name}.schema.json`, 'utf8'));
const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true });
const validate = ajv.compile(schemaOf('spec'));

describe.each(names)('examples/%s', (name) => {
  const text = readFileSync(folder + name, 'utf8');

  test('is valid, also with --strict, and needs nothing from the environment', () => {
    const { servers, diagnostics } = loadDocuments([{ file: name, directory: folder, text }], {
      environment: {},
      strict: true,
    });
    expect(describeDiagnostics(diagnostics)).toBe('');
    expect(servers.length).toBe(name === 'several.yaml' ? 3 : 1);
  });

  test('tells editors its schema, and agrees with it', () => {
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../schemas/spec.schema.json');
    for (const one of parseAllDocuments(text)) {
      const fine = validate(one.toJS());
      expect(validate.errors ?? []).toEqual([]);
      expect(fine).toBe(true);
    }
  });

  test('pins the versions of its packages', () => {
    for (const [, list = ''] of text.matchAll(/preinstall_packages: \[(.*)\]/g)) {
      for (const one of list.split(', ')) expect(one).toMatch(/==[0-9]|@[0-9]/);
    }
  });
});

test('no two examples use one name, so that they can be applied together', () => {
  const files = names.map((name) => ({ file: name, directory: folder, text: readFileSync(folder + name, 'utf8') }));
  expect(describeDiagnostics(loadDocuments(files, { environment: {}, strict: true }).diagnostics)).toBe('');
});

describe('schemas/spec.schema.json', () => {
  test('takes camelCase too, and rejects unknown keys in both spellings', () => {
    expect(validate({ docker_backend: { pullPolicy: 'never' } })).toBe(true);
    expect(validate({ docker_backend: { pullPolicy: 'sometimes' } })).toBe(false);
    expect(validate({ docker_backend: { pullPolice: 'never' } })).toBe(false);
    expect(validate({ docker_backend: { 'x-anything': 1 } })).toBe(true);
  });

  test.each(['spec', 'project'])('%s describes every field', (name) => {
    const bare: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      if ('properties' in node && typeof node.properties === 'object' && node.properties !== null) {
        for (const [key, field] of Object.entries(node.properties)) {
          if (!('description' in field) && !('$ref' in field)) bare.push(`${path}.${key}`);
        }
      }
      for (const [key, inner] of Object.entries(node)) walk(inner, `${path}/${key}`);
    };
    walk(schemaOf(name), name);
    expect(bare).toEqual([]);
  });

  test.each(['spec', 'project', 'policy'])('%s has the camelCase spellings that the build writes', async (name) => {
    const { withCamelCase } = await import('../../../scripts/lib/schema-shape.mjs');
    expect(schemaOf(name), 'run node scripts/build-validators.mjs --write-schemas').toEqual(
      withCamelCase(schemaOf(name)),
    );
  });

  test('a policy of its own has the rules that looms.yaml can have', async () => {
    const { policySchema, withCamelCase } = await import('../../../scripts/lib/schema-shape.mjs');
    expect(schemaOf('policy'), 'run node scripts/build-validators.mjs --write-schemas').toEqual(
      withCamelCase(policySchema(schemaOf('project'))),
    );
  });

  /** Where each block that has defaults stands, and what it needs beside them to be valid. */
  const blocks: Readonly<Record<string, (block: object) => object>> = {
    docker_backend: (block) => ({ docker_backend: { base_image: 'x', ...block } }),
    python: (python) => ({ docker_backend: { runtime_type: 'python', python }, mcp_server: { command: 'run' } }),
    node: (node) => ({ docker_backend: { runtime_type: 'node', node }, mcp_server: { command: 'run' } }),
    volume_mount: (mount) => ({
      docker_backend: { base_image: 'x', volume_mounts: [{ source: 'data', target: '/data', ...mount }] },
    }),
    resource_limits: (resource_limits) => ({ docker_backend: { base_image: 'x', resource_limits } }),
    security: (security) => ({ docker_backend: { base_image: 'x', security } }),
    network: (network) => ({ docker_backend: { base_image: 'x', network } }),
    lifecycle: (lifecycle) => ({ docker_backend: { base_image: 'x', lifecycle } }),
    mcp_server: (mcp_server) => ({ docker_backend: { base_image: 'x' }, mcp_server }),
    place: (place) => ({ docker_backend: { base_image: 'x' }, place }),
    scale: (scale) => ({ docker_backend: { base_image: 'x' }, mcp_server: { scale: { max: 3, ...scale } } }),
    tools: (tools) => ({ docker_backend: { base_image: 'x' }, mcp_server: { tools } }),
  };
  const defaults = Object.entries<{ properties?: Record<string, { default?: unknown }> }>(
    schemaOf('spec').$defs,
  ).flatMap(([block, { properties = {} }]) =>
    Object.entries(properties).flatMap(([field, { default: value }]) =>
      value === undefined ? [] : [[block, field, value] as const],
    ),
  );

  test.each(defaults)('%s.%s means the same when its default is written: %j', (block, field, value) => {
    const loaded = (content: object) => {
      const text = JSON.stringify({ name: 'a', ...blocks[block]?.(content) });
      const { servers, diagnostics } = loadDocuments([{ file: 'f', directory: '/', text }], {
        environment: {},
        strict: false,
      });
      expect(describeDiagnostics(diagnostics.filter(({ severity }) => severity === 'error'))).toBe('');
      return servers.map(({ spec }) => spec);
    };
    expect(loaded({ [field]: value })).toEqual(loaded({}));
    expect(loaded({})).toHaveLength(1);
  });
});
