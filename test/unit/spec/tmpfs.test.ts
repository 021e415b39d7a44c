import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { templateOf } from '../../../src/docker/reconcile/server/container-template.ts';
import { readTmpfs } from '../../../src/model/container/tmpfs.ts';
import { asProjectName } from '../../../src/model/ids.ts';
import { readRecordedSpec, recordSpec } from '../../../src/spec/record/record.ts';
import { forAll } from '../../support/properties.ts';
import { check, document, only } from './checking.ts';

const withTmpfs = (tmpfs: string): string => document({ backend: [`security: { tmpfs: ${tmpfs} }`] });

describe('a tmpfs of a spec', () => {
  test.each([
    ['64m', 64 * 1024 ** 2, false],
    ['64M', 64 * 1024 ** 2, false],
    ['64mb', 64 * 1024 ** 2, false],
    ['64KB', 64 * 1024, false],
    ['1g', 1024 ** 3, false],
    ['4096', 4096, false],
    ['4096b', 4096, false],
    ['"64m,exec"', 64 * 1024 ** 2, true],
    ['"1gb,exec"', 1024 ** 3, true],
  ])('%s has the size and the right that it says, up to the container', (written, sizeBytes, exec) => {
    const { spec } = only(withTmpfs(`{ /a: ${written} }`));
    expect(templateOf(spec, asProjectName('p')).tmpfs).toEqual({
      '/a': { sizeBytes, exec, mode: '1777', owner: '1000:1000' },
    });
  });

  test('belongs to the user by number, and to nobody in particular for a user by name', () => {
    const owners = ['1000:1000', '7', 'app'].map((user) => {
      const { spec } = only(document({ backend: [`security: { user: "${user}", tmpfs: { /a: 64m } }`] }));
      return templateOf(spec, asProjectName('p')).tmpfs['/a']?.owner;
    });
    expect(owners).toEqual(['1000:1000', '7', undefined]);
  });

  test('that is written wrong is an error with a hint', () => {
    expect(
      check(withTmpfs('{ /a: big, /b: 64mib, /c: "64m,noexec", /d: 50%, /e: "64m, exec" }')),
    ).toMatchInlineSnapshot(`
      "4:28 error[invalid-value] docker_backend.security.tmpfs["/a"]: tmpfs /a: expected a size such as 64m, or 64m,exec, got "big" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)
      4:37 error[invalid-value] docker_backend.security.tmpfs["/b"]: tmpfs /b: expected a size such as 64m, or 64m,exec, got "64mib" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)
      4:48 error[invalid-value] docker_backend.security.tmpfs["/c"]: tmpfs /c: expected a size such as 64m, or 64m,exec, got "64m,noexec" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)
      4:66 error[invalid-value] docker_backend.security.tmpfs["/d"]: tmpfs /d: expected a size such as 64m, or 64m,exec, got "50%" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)
      4:75 error[invalid-value] docker_backend.security.tmpfs["/e"]: tmpfs /e: expected a size such as 64m, or 64m,exec, got "64m, exec" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)"
    `);
  });

  test('that no machine could hold is an error', () => {
    expect(check(withTmpfs('{ /a: 9007199254740992, /b: "99999999999999g,exec" }'))).toMatchInlineSnapshot(`
      "4:28 error[invalid-value] docker_backend.security.tmpfs["/a"]: tmpfs /a: expected a size such as 64m, or 64m,exec, got "9007199254740992" (hint: write digits and k, m or g; nothing but ,exec may follow, without a space)
      4:50 error[invalid-value] docker_backend.security.tmpfs["/b"]: 99999999999999g,exec for /b is more than any engine takes (hint: it counts as memory: stay below memory_mb)"
    `);
  });

  test('means to the schema what it means to the program', () => {
    const schema = JSON.parse(readFileSync(new URL('../../../schemas/spec.schema.json', import.meta.url), 'utf8'));
    const { pattern } = schema.$defs.security.properties.tmpfs.additionalProperties;
    const part = fc.constantFrom('0', '1', '64', 'k', 'M', 'g', 'b', 'B', ',', 'exec', ' ', 'x', '%', '-');
    forAll(
      fc.array(part, { maxLength: 5 }),
      (parts, saw) => {
        const text = parts.join('');
        const isSize = readTmpfs(text) !== undefined;
        saw(isSize ? 'a size' : 'no size');
        expect(isSize).toBe(new RegExp(pattern, 'u').test(text));
      },
      { runs: 1000, cases: ['a size', 'no size'] },
    );
  });

  test('in a label that cannot be read makes the whole label unreadable, instead of a size of 0', () => {
    const { spec } = only(withTmpfs('{ /a: 64m }'));
    const label = recordSpec(spec, 'i');
    expect(readRecordedSpec(label)).toBeDefined();
    expect(readRecordedSpec(label.replace('"/a":"64m"', '"/a":"64q"'))).toBeUndefined();
  });
});
