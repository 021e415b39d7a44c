import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../../src/model/values/canonical-json.ts';
import { readRecordedSpec, recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { forAll } from '../../support/properties.ts';
import { document, only } from './checking.ts';
import { desiredServers } from './desired-servers.ts';

const { spec } = only(document({ mcp: ['command: run', 'env: { TOKEN: "${secret:token}" }'] }));

describe('the hash of a spec', () => {
  test('stays the same across releases for the same spec', () => {
    expect(specHash(spec, 'debian:bookworm-slim')).toMatchInlineSnapshot(
      `"v1:48f5081dcf5f0e1637999a94c913daa1d5156e203f6e3ce84fbf60ae74ebd951"`,
    );
  });

  test('does not depend on the order of keys, nor on whether the server is enabled, nor on how many containers it has', () => {
    const turned = Object.fromEntries(Object.entries(spec).toReversed()) as typeof spec;
    expect(specHash({ ...turned, enabled: false }, 'x')).toBe(specHash(spec, 'x'));
    const scale = { min: 0, max: 5, sessionsPerReplica: 1, idleSeconds: 10 };
    expect(specHash({ ...spec, replicas: 3 }, 'x')).toBe(specHash(spec, 'x'));
    expect(specHash({ ...spec, scale }, 'x')).toBe(specHash(spec, 'x'));
  });

  test('depends on the image', () => {
    expect(specHash(spec, 'a')).not.toBe(specHash(spec, 'b'));
  });

  test('canonical JSON reads back to the same value', () => {
    forAll(fc.jsonValue(), (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    });
  });
});

describe('the recorded spec', () => {
  test('says how many containers there are only where that is not one', () => {
    expect(recordSpec(spec, 'x')).not.toMatch(/replicas|scale/);
    expect(recordSpec({ ...spec, replicas: 3 }, 'x')).toContain('"replicas":3');
  });

  test('reads back to what was recorded', () => {
    forAll(
      fc.tuple(desiredServers, fc.string()),
      ([server, image]) => {
        expect(readRecordedSpec(recordSpec(server, image))).toEqual({ spec: server, image });
      },
      { runs: 200 },
    );
  });

  test('is nothing when the label is garbage or lacks a part', () => {
    for (const text of ['', 'x', '1', 'null', '[]', '{}', '{"spec":{},"image":"x"}', '{"__proto__":1}']) {
      expect(readRecordedSpec(text)).toBeUndefined();
    }
    const recorded = JSON.parse(recordSpec(spec, 'x'));
    for (const key of ['name', 'enabled', 'image', 'mounts', 'limits', 'security', 'network', 'lifecycle', 'mcp']) {
      const { [key]: _, ...rest } = recorded.spec;
      expect(readRecordedSpec(JSON.stringify({ ...recorded, spec: rest })), key).toBeUndefined();
      expect(readRecordedSpec(JSON.stringify({ ...recorded, spec: { ...rest, [key]: 7 } })), key).toBeUndefined();
    }
  });

  test('never throws, whatever the label holds', () => {
    const damaged = fc.tuple(desiredServers, fc.nat(), fc.jsonValue()).map(([server, at, value]) => {
      const text = recordSpec(server, 'x');
      return `${text.slice(0, at % text.length)}${JSON.stringify(value)}${text.slice(at % text.length)}`;
    });
    const whole = desiredServers.map((server) => recordSpec(server, 'x'));
    forAll(
      fc.oneof(fc.string(), fc.json(), damaged, whole),
      (text, saw) => saw(readRecordedSpec(text) === undefined ? 'refused' : 'read'),
      { cases: ['refused', 'read'] },
    );
  });
});
