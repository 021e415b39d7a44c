import { describe, expect, it } from 'vitest';
import type { SecretRef } from '../../../src/model/desired.ts';
import type { SecretStore } from '../../../src/secrets/provider.ts';
import { createRedactor } from '../../../src/secrets/redact.ts';
import { resolveEnv } from '../../../src/secrets/resolve-env.ts';

const provider = (name: string): SecretRef => ({ from: 'provider', name });

describe('resolving an environment', () => {
  const asked: string[] = [];
  const store: SecretStore = async (ref) => {
    asked.push(ref.name);
    return ref.name.startsWith('no')
      ? { found: false, tried: ['fake'] }
      : { found: true, value: `<${ref.name}>`, provider: 'fake' };
  };

  it('puts secrets into their text, looks each up once, and collects all that are missing', async () => {
    const resolved = await resolveEnv(
      {
        PLAIN: { kind: 'literal', value: '1' },
        URI: { kind: 'secret', parts: ['db://', provider('user'), ':', provider('pass'), '@h'] },
        PASS: { kind: 'secret', parts: [provider('pass')] },
        BAD: { kind: 'secret', parts: [provider('no-1'), provider('no-2')] },
        BAD_TOO: { kind: 'secret', parts: [provider('no-1')] },
      },
      store,
    );
    expect(resolved).toEqual({
      values: { PLAIN: '1', URI: 'db://<user>:<pass>@h', PASS: '<pass>' },
      missing: [
        { ref: provider('no-1'), tried: ['fake'] },
        { ref: provider('no-2'), tried: ['fake'] },
      ],
      secrets: ['<user>', '<pass>'],
    });
    expect(asked).toEqual(['user', 'pass', 'no-1', 'no-2']);
  });
});

describe('masking secrets', () => {
  const value = 'p@ss w/rd"1?>>';
  const redact = createRedactor([value, 'p@ss', 'line one\nline two']);

  it.each([
    ['as it is', value],
    ['URL-encoded', encodeURIComponent(value)],
    ['URL-encoded in lower case', 'p%40ss%20w%2frd%221%3f%3e%3e'],
    ['form-encoded', encodeURIComponent(value).replaceAll('%20', '+')],
    ['as JSON', JSON.stringify(value).slice(1, -1)],
    ['in base64', Buffer.from(value).toString('base64')],
    ['in base64url', Buffer.from(value).toString('base64url')],
    ['URL-encoded as a form does', new URLSearchParams({ a: value }).toString().slice(2)],
    ['URL-encoded with / as it is', encodeURIComponent(value).replaceAll('%2F', '/')],
    ['URL-encoded in every letter', [...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join('')],
    ['in HTML', value.replaceAll('"', '&quot;').replaceAll('>', '&#x3E;')],
    ['in hexadecimal', Buffer.from(value).toString('hex')],
    ['as the name of a host', value.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '?')],
    ['in upper-case hexadecimal', Buffer.from(value).toString('hex').toUpperCase()],
    ['one of its lines', 'line two'],
  ])('%s', (_, form) => {
    expect(redact(`before ${form} after`)).toBe('before (secret) after');
  });

  it('that is as long as a key store, or has thousands of lines', () => {
    const letters = 'aB3+/é"%x';
    const long = Array.from({ length: 100_000 }, (_, index) => letters[index % 9]).join('');
    const lines = Array.from({ length: 5_000 }, (_, index) => `line ${index} of many`);
    const maskLong = createRedactor([long, lines.join('\n')]);
    for (const form of [long, JSON.stringify(long).slice(1, -1), encodeURIComponent(long), lines.join('\n')]) {
      expect(maskLong(`before ${form} after`)).toBe('before (secret) after');
    }
    expect(maskLong('as in line 4321 of many, so')).toBe('as in (secret), so');
  });

  describe('that is longer than an expression may be', () => {
    const odd = `<a href="https://x.example/?a=1&b=%41%zz&é€😀">it's +1</a> `;
    const longSecrets = [odd.repeat(40).trim(), 'AbC+/='.repeat(300), `${'%E2%82'.repeat(300)}end`];
    const html = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
    const named = (text: string): string =>
      text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&QUOT;');
    const forms: readonly (readonly [string, (text: string) => string])[] = [
      ['as it is', (text) => text],
      ['URL-encoded', encodeURIComponent],
      [
        'URL-encoded in small letters',
        (text) => encodeURIComponent(text).replaceAll(/%../g, (one) => one.toLowerCase()),
      ],
      ['URL-encoded in every byte', (text) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&')],
      ['in a form', (text) => new URLSearchParams({ text }).toString().slice('text='.length)],
      ['in HTML by numbers', html],
      ['in HTML by names', named],
      ['in part in HTML', (text) => text.slice(0, 700) + html(text.slice(700))],
    ];
    const maskAll = createRedactor(longSecrets);

    it.each(forms)('%s', (_, write) => {
      for (const secret of longSecrets) {
        expect(maskAll(`a&b%20c ${write(secret)} d&amp;e`)).toBe('a&b%20c (secret) d&amp;e');
      }
      const [first = '', second = ''] = longSecrets;
      expect(maskAll(write(first) + write(second) + write(second))).toMatch(/^(\(secret\)){2,3}$/);
    });

    it('leaves other text alone, also where it looks like an escape', () => {
      const text = '%zz %E2%28%A1 &#99999999; &nope; 100% a+b '.repeat(100);
      expect(maskAll(text)).toBe(text);
    });

    it('in proportion to the text, and at once where a secret is added', () => {
      const secrets = Array.from({ length: 20 }, (_, index) => `${index}<${'k&9 é'.repeat(1700)}`);
      const text = encodeURIComponent(secrets[7]?.slice(0, 4_000) ?? '')
        .repeat(200)
        .slice(0, 1_000_000);
      const masked = createRedactor(secrets)(`${text}${encodeURIComponent(secrets[7] ?? '')}`);
      expect(masked.endsWith('(secret)')).toBe(true);
      // It takes about a second; what went through the text once for each place of it would take minutes.
    }, 60_000);
  });

  it('within something longer in base64, wherever it begins', () => {
    for (const user of ['a:', 'ab:', 'abc:', '']) {
      const basic = Buffer.from(`${user}${value}:more`).toString('base64');
      const masked = redact(`Basic ${basic}`);
      expect(masked).toContain('(secret)');
      expect(
        Buffer.from(masked.replace('(secret)', ' ').split(' ').slice(1).join(''), 'base64').toString(),
      ).not.toContain(value.slice(1, 6));
    }
  });

  it('as JSON inside of JSON, four deep, as several writers escape it', () => {
    const hard = 'a"b\\c/é<d';
    const maskHard = createRedactor([hard]);
    let text = hard;
    for (let depth = 1; depth <= 4; depth += 1) {
      text = JSON.stringify(text);
      expect(JSON.stringify(maskHard(text))).not.toContain('c/');
      expect(maskHard(text)).toContain('(secret)');
    }
    expect(maskHard('a\\"b\\\\c/\\u00e9<d')).toBe('(secret)');
    expect(maskHard('a\\"b\\\\c/é\\u003cd')).toBe('(secret)');
  });

  it('takes the longer secret first, and leaves other text alone', () => {
    expect(redact(`${value}, p@ss, pass`)).toBe('(secret), (secret), pass');
  });

  it('does not mask what is too short to be one', () => {
    expect(createRedactor(['1', '', 'on'])('1 of 1 on')).toBe('1 of 1 on');
    expect(createRedactor([])('text')).toBe('text');
  });

  it('takes characters of patterns literally', () => {
    expect(createRedactor(['a.*b|c', '[x]{2}'])('a.*b|c axxb [x]{2}')).toBe('(secret) axxb (secret)');
  });
});
