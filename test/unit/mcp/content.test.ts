import { describe, expect, it } from 'vitest';
import { promptMessages, readParts, resultParts } from '../../../src/mcp/client/answers/content.ts';
import { endingOf, nameOfUri, safeStem } from '../../../src/mcp/client/answers/file-names.ts';

const base64 = Buffer.from('abc').toString('base64');

describe('the pieces of an answer', () => {
  it('are told apart by what can be done with them', () => {
    const content = [
      { type: 'text', text: 'one' },
      { type: 'image', mimeType: 'image/png', data: base64 },
      { type: 'audio', data: base64 },
      { type: 'resource_link', uri: 'file:///a', name: 'a', title: 'The A' },
      { type: 'resource', resource: { uri: 'file:///b', text: 'inside' } },
      { type: 'resource', resource: { uri: 'file:///c', mimeType: 'x/y', blob: base64 } },
      { type: 'image', mimeType: 7 },
      { type: 'resource' },
      { type: 'novel' },
      {},
    ];
    const bytes = Buffer.from('abc');
    expect(resultParts({ content })).toEqual([
      { kind: 'text', text: 'one' },
      { kind: 'bytes', what: 'image', mimeType: 'image/png', bytes },
      { kind: 'bytes', what: 'audio', bytes },
      { kind: 'link', uri: 'file:///a', name: 'The A' },
      { kind: 'document', uri: 'file:///b', text: 'inside' },
      { kind: 'bytes', what: 'resource', uri: 'file:///c', mimeType: 'x/y', bytes },
      { kind: 'other', type: 'image' },
      { kind: 'other', type: 'resource' },
      { kind: 'other', type: 'novel' },
      { kind: 'other', type: 'unknown' },
    ]);
  });

  it('have structured content as JSON where no text says it', () => {
    const structured = { kind: 'text', text: '{\n  "n": 1\n}' };
    expect(resultParts({ content: [], structuredContent: { n: 1 } })).toEqual([structured]);
    expect(resultParts({ content: [{ type: 'audio', data: '' }], structuredContent: { n: 1 } })).toHaveLength(2);
    expect(resultParts({ content: [{ type: 'text', text: 'n' }], structuredContent: { n: 1 } })).toHaveLength(1);
    expect(resultParts({ content: [] })).toEqual([]);
  });

  it('of resources and prompts are the same', () => {
    expect(readParts({ contents: [{ uri: 'u', text: 't' }, { uri: 'v' }] })).toEqual([
      { kind: 'document', uri: 'u', text: 't' },
      { kind: 'other', type: 'resource' },
    ]);
    const messages = [
      { role: 'user', content: { type: 'text', text: 'a' } },
      { content: [{ type: 'text', text: 'b' }, 'odd'] },
    ];
    expect(promptMessages({ messages })).toEqual([
      { role: 'user', parts: [{ kind: 'text', text: 'a' }] },
      { role: 'unknown', parts: [{ kind: 'text', text: 'b' }] },
    ]);
  });
});

describe('a name for a file', () => {
  it.each([
    ['get-tiny-image', 'get-tiny-image'],
    ['a.b', 'a.b'],
    ['../../etc/passwd', 'etc_passwd'],
    ['/absolute', 'absolute'],
    ['.bashrc', 'bashrc'],
    ['..', 'content'],
    ['', 'content'],
    ['-rf', 'rf'],
    ['a\u0000b\u001b[31m', 'a_b_31m'],
    ['ünï', 'n'],
    ['C:\\windows', 'C_windows'],
    ['x'.repeat(300), 'x'.repeat(100)],
  ])('made of %j is %s', (name, expected) => {
    expect(safeStem(name)).toBe(expected);
  });

  it.each([
    ['image/png', 'png'],
    ['IMAGE/JPEG; q=1', 'jpg'],
    ['text/plain; charset=utf-8', 'txt'],
    ['application/x-sh', 'bin'],
    ['../../x', 'bin'],
    ['constructor', 'bin'],
    [undefined, 'bin'],
  ])('ends by its media type %s', (mimeType, expected) => {
    expect(endingOf(mimeType)).toBe(expected);
  });

  it.each([
    ['file:///a/notes.txt', undefined, 'notes', 'txt'],
    ['demo://r/1?x=/../y', 'text/plain', '1', 'txt'],
    ['demo://r/..', 'image/png', 'content', 'png'],
    ['demo://r/.profile', undefined, 'profile', 'bin'],
    ['https://example.com/a.tar.gz#top', undefined, 'a.tar', 'gz'],
  ])('of the resource %s (%s)', (uri, mimeType, stem, ending) => {
    expect(nameOfUri(uri, mimeType)).toEqual({ stem, ending });
  });
});
