import { describe, expect, it, test } from 'vitest';
import type { ContentPart } from '../../../src/app/talk/save-content.ts';
import { optionalToolWords, toolWords } from '../../../src/cli/command-line/tool-words.ts';
import { renderMessages, renderParts, renderSaved } from '../../../src/cli/render/answers/content.ts';
import { renderPrompts, renderResources } from '../../../src/cli/render/answers/offers.ts';
import { resourceAnswer } from '../../../src/cli/render/answers/resource.ts';
import { quoted, renderTool, renderTools } from '../../../src/cli/render/answers/tool.ts';
import { size, unwrapped, visible, wrap } from '../../../src/cli/render/text.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { toolDetails, toolSignature } from '../../../src/mcp/client/arguments/tool-details.ts';
import { asServerName } from '../../../src/model/ids.ts';

const plain = palette(false);
const evil = '\u001b[2J\u001b]0;owned\u0007';
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

const listOf = (...tools: { name: string; inputSchema: object; [key: string]: unknown }[]) => {
  const all = tools.map((tool) => ({ ...tool, inputSchema: { ...tool.inputSchema } }));
  return {
    server: asServerName('fs'),
    tools: all,
    signatures: Object.fromEntries(all.map((tool) => [tool.name, toolSignature(tool)])),
    unknownFilterNames: [],
  };
};
const inFull = (tool: Parameters<typeof listOf>[0], width = 80) => {
  const list = listOf(tool);
  const [one] = list.tools;
  if (one === undefined) throw new Error('no tool');
  return renderTool({ ...list, details: toolDetails(one) }, { palette: plain, width });
};

const edit = {
  name: 'edit_file',
  title: 'Edit File',
  description: 'Makes line-based edits to a text file. Each edit replaces exact lines with new content.',
  inputSchema: {
    type: 'object',
    properties: {
      dryRun: { type: 'boolean', default: false, description: 'Preview only, as a diff, without any change' },
      path: { type: 'string' },
      edits: { type: 'array', items: { type: 'object', properties: { old: { type: 'string' } }, required: ['old'] } },
    },
    required: ['path', 'edits'],
  },
  outputSchema: { type: 'object', properties: { content: { type: 'string' } }, required: ['content'] },
  annotations: { readOnlyHint: false, destructiveHint: true },
};

describe('one tool in full', () => {
  it('says what it does, what it takes and gives, and how to call it, within the width', () => {
    expect(inFull(edit, 60)).toBe(
      [
        'edit_file  Edit File',
        '',
        '  Makes line-based edits to a text file. Each edit replaces',
        '  exact lines with new content.',
        '',
        'The server calls it destructive.',
        '',
        'ARGUMENT  TYPE      REQUIRED  DESCRIPTION',
        'path      string    yes',
        'edits     object[]  yes',
        '  old     string    yes',
        'dryRun    boolean             Preview only, as a diff,',
        '                              without any change',
        '                              default false',
        '',
        'ANSWER   TYPE    ALWAYS',
        'content  string  yes',
        '',
        'EXAMPLE',
        `looms mcp call fs edit_file path=PATH 'edits:=[{"old":"OLD"}]'`,
      ].join('\n'),
    );
  });

  it('is short for a tool that takes nothing', () => {
    expect(inFull({ name: 'now', inputSchema: {} })).toBe(
      'now\n\nIt takes no arguments.\n\nEXAMPLE\nlooms mcp call fs now',
    );
  });

  it('cannot steer the terminal', () => {
    const property = { type: evil, description: evil, default: evil, pattern: evil };
    const shown = inFull({
      name: evil,
      title: evil,
      description: evil,
      inputSchema: { type: 'object', properties: { [evil]: property }, required: [evil] },
      outputSchema: { anyOf: [{ title: evil, properties: { a: {} } }, { properties: { b: {} } }] },
    });
    expect(shown).not.toMatch(control);
  });
});

describe('the list of tools', () => {
  const list = listOf(edit, { name: 'now', inputSchema: {}, description: `The time${evil}\nmore` });

  it('is one line a tool, cut to the width of a terminal', () => {
    const lines = renderTools(list, { palette: plain, width: 60 }).split('\n');
    expect(lines).toEqual([
      'edit_file(path: string, edits: o…  Makes line-based edits t…',
      'now()                              The time\\x1b[2J\\x1b]0;ow…',
    ]);
    expect(lines.every((line) => line.length <= 60)).toBe(true);
  });

  it('is whole in a file or pipe', () => {
    expect(renderTools(list, { palette: plain, width: undefined })).toContain(
      'edit_file(path: string, edits: object[], dryRun?: boolean)  Makes line-based edits to a text file. Each edit',
    );
  });
});

describe('content', () => {
  const bytes = (what: 'image' | 'resource', more: object = {}): ContentPart => ({
    kind: 'bytes',
    what,
    bytes: Buffer.alloc(2400),
    ...more,
  });

  it('that is no text is named, with the way to get it', () => {
    const parts: ContentPart[] = [
      { kind: 'text', text: 'one' },
      bytes('image', { mimeType: 'image/png' }),
      bytes('resource', { uri: 'file:///c' }),
      { kind: 'link', uri: 'file:///a', name: 'A', mimeType: 'text/plain' },
      { kind: 'link', uri: 'file:///b' },
      { kind: 'other', type: 'novel' },
    ];
    expect(renderParts(parts, { palette: plain, shown: visible }).split('\n')).toEqual([
      'one',
      '[image image/png, 2.3 KiB; --out DIR saves it]',
      '[resource file:///c, 2.3 KiB; --out DIR saves it]',
      '[resource file:///a: A, text/plain]',
      '[resource file:///b]',
      '[novel; --json shows it]',
    ]);
    expect(renderSaved({ path: 'p/x-1.png', mimeType: 'image/png', bytes: 2400 })).toBe(
      'wrote p/x-1.png (image/png, 2.3 KiB)',
    );
    expect(renderSaved({ path: 'x', mimeType: evil, bytes: 1 })).not.toMatch(control);
  });

  it('of a prompt stands under who says it', () => {
    const messages = [
      { role: 'user', parts: [{ kind: 'text', text: 'a' } as const] },
      { role: evil, parts: [{ kind: 'text', text: evil } as const] },
    ];
    const shown = renderMessages(messages, { palette: plain, shown: visible });
    expect(shown).toMatch(/^user:\na\n\n\\x1b/);
    expect(shown).not.toMatch(control);
  });
});

describe('a resource', () => {
  const text: ContentPart = { kind: 'document', uri: 'u', text: `a${evil}\n` };
  const png: ContentPart = { kind: 'bytes', what: 'resource', mimeType: 'image/png', bytes: Buffer.from([137, 80]) };
  const asBytes: ContentPart = { kind: 'bytes', what: 'resource', mimeType: 'text/plain', bytes: Buffer.from('é') };

  it('goes into a file or pipe byte for byte', () => {
    expect(resourceAnswer('u', [text], false)).toEqual({ kind: 'exactly', content: `a${evil}\n` });
    expect(resourceAnswer('u', [png], false)).toEqual({ kind: 'exactly', content: Buffer.from([137, 80]) });
  });

  it('is shown on a terminal when it is text, made safe', () => {
    const answer = resourceAnswer('u', [text], true);
    expect(answer.kind === 'text' && answer.text).not.toMatch(control);
    expect(resourceAnswer('u', [asBytes], true)).toEqual({ kind: 'text', text: 'é' });
    expect(resourceAnswer('u', [], true)).toEqual({ kind: 'nothing' });
  });

  it('that is binary is not printed on a terminal, nor among texts', () => {
    expect(() => resourceAnswer('u', [png], true)).toThrow(
      'u is binary (image/png, 2 B), which is not printed on a terminal',
    );
    expect(() => resourceAnswer('u', [text, png], false)).toThrow('which is not printed together with other content');
    expect(resourceAnswer('u', [text, asBytes], false)).toMatchObject({ kind: 'text' });
  });
});

describe('what a server offers', () => {
  it('is a table of resources and one of templates, without columns that nothing fills', () => {
    const resources = [
      { uri: 'file:///a', name: 'a', description: `The first\nmore` },
      { uri: `file:///b${evil}`, title: 'B', size: 2048 },
    ];
    const resourceTemplates = [{ uriTemplate: 'file:///{x}', name: 'any', mimeType: 'text/plain' }];
    const shown = renderResources({ offered: true, resources, resourceTemplates }, { palette: plain, width: 50 });
    expect(shown.split('\n')).toEqual([
      'URI                               SIZE     ABOUT',
      'file:///a                                  a: The first',
      'file:///b\\x1b[2J\\x1b]0;owned\\x07  2.0 KiB  B',
      '',
      'TEMPLATE     TYPE        ABOUT',
      'file:///{x}  text/plain  any',
    ]);
  });

  it('is a table of prompts with their arguments', () => {
    const prompts = [{ name: 'greet' }, { name: 'review', description: 'Looks at a file' }];
    const taken = [
      [],
      [
        { name: 'file', required: true, description: 'its path' },
        { name: 'focus', required: false },
      ],
    ];
    expect(renderPrompts({ offered: true, prompts, arguments: taken }, { palette: plain, width: 80 })).toBe(
      [
        'PROMPT   REQUIRED  ABOUT',
        'greet',
        'review             Looks at a file',
        '  file   yes       its path',
        '  focus',
      ].join('\n'),
    );
  });
});

describe('the words that name a tool', () => {
  it.each([
    [['fs', 'read', 'a=1'], { server: 'fs', tool: 'read', rest: ['a=1'] }],
    [['fs.read', 'a=1'], { server: 'fs', tool: 'read', rest: ['a=1'] }],
    [['fs.read.all'], { server: 'fs', tool: 'read.all', rest: [] }],
    [['fs', 'read.all'], { server: 'fs', tool: 'read.all', rest: [] }],
    [['fs'], { server: 'fs', tool: undefined, rest: [] }],
  ])('%j', (words, expected) => {
    expect(optionalToolWords(words)).toEqual(expected);
  });

  it('must name one for a call', () => {
    expect(() => toolWords(['fs'], 'looms mcp call')).toThrow('missing tool of fs');
    expect(() => toolWords(['fs.'], 'looms mcp call')).toThrow('"fs." is no name for a server');
    expect(() => toolWords(['.read'], 'looms mcp call')).toThrow('".read" is no name for a server');
  });
});

describe('text', () => {
  it('is broken between words, and keeps its own lines and indents', () => {
    expect(wrap('one two three\n  four five six\n\nabcdefghijklm', 10)).toEqual([
      'one two',
      'three',
      '  four',
      '  five six',
      '',
      'abcdefghijklm',
    ]);
  });

  it('that fits is left as it is, and an item of a list goes on below its text', () => {
    expect(wrap('a:    b\n- one two three', 10)).toEqual(['a:    b', '- one two', '  three']);
  });

  it('that was broken into lines becomes one line a paragraph or item', () => {
    expect(unwrapped(' one\n   two\n\nthree\n - four\n   five\n')).toBe('one two\nthree\n- four five');
    expect(unwrapped(' ')).toBe('');
  });

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [2400, '2.3 KiB'],
    [14_000, '14 KiB'],
    [1_023_990, '1.0 MiB'],
    [52_000_000, '50 MiB'],
  ])('of %i bytes is %s', (bytes, expected) => {
    expect(size(bytes)).toBe(expected);
  });

  test.each([
    ['a=b', 'a=b'],
    ['a=b c', `'a=b c'`],
    [`it's`, `'it'\\''s'`],
    ['$HOME', `'$HOME'`],
    ['', `''`],
  ])('typed into a shell, %j is %s', (word, expected) => {
    expect(quoted(word)).toBe(expected);
  });
});
