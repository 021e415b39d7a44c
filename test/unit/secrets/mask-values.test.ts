import { describe, expect, it } from 'vitest';
import { maskValues } from '../../../src/secrets/mask-values.ts';
import { createRedactor } from '../../../src/secrets/redact.ts';

const mask = (value: unknown) => maskValues(value, createRedactor(['plugh-98765', '12345678']));

describe('masking values', () => {
  it('masks secrets wherever they stand, and keeps the rest as it is', () => {
    expect(mask({ a: ['x plugh-98765', 12345678, 7, null, true], 'plugh-98765': { b: 'plain' } })).toEqual({
      a: ['x (secret)', '(secret)', 7, null, true],
      '(secret)': { b: 'plain' },
    });
  });

  it('masks what stands under the name of a credential, whatever it is', () => {
    expect(mask({ password: 'short', apiKey: { parts: [1] }, token: null, tokenizer: 'bpe' })).toEqual({
      password: '(secret)',
      apiKey: '(secret)',
      token: null,
      tokenizer: 'bpe',
    });
  });
});
