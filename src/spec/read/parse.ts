import { Composer, type CST, type Document, Lexer, Parser, type YAMLError } from 'yaml';
import { convert, maxDepth, tooDeep } from './convert.ts';
import { explainSyntax, indexRegions } from './explain-syntax.ts';
import type { Finding } from './findings.ts';
import type { Region } from './scan-lines.ts';
import type { Tree } from './tree.ts';

/** Largest file that is read, in UTF-16 units; fifty servers take about 50,000. */
const maxFileLength = 1_048_576;

/** One YAML document: its content, or what is wrong with it. Documents without content are left out. */
type ParsedDocument = {
  /** Absent when the document could not be read; `findings` then has an error. */
  readonly content?: Tree;
  readonly findings: readonly Finding[];
};

/**
 * Splits a text into YAML 1.2 documents and resolves aliases and merge keys. Never throws: whatever is wrong is a
 * finding of the document it is in, and the other documents are still returned.
 */
export function parseDocuments(text: string): readonly ParsedDocument[] {
  const unreadable = findUnreadable(text);
  if (unreadable !== undefined) return [{ findings: [unreadable] }];
  // Made once, and only for a file with an error.
  let regions: ((offset: number) => Region) | undefined;
  const regionOf = (offset: number): Region => {
    regions ??= indexRegions(text);
    return regions(offset);
  };
  const read: ParsedDocument[] = [];
  try {
    const composer = new Composer({ version: '1.2', prettyErrors: false, uniqueKeys: false, logLevel: 'silent' });
    // One after the other: yaml's nodes of a thousand documents at once take some hundred MiB.
    for (const document of composer.compose(tokensOf(text))) {
      const parsed = readDocument(text, document, regionOf);
      if (parsed !== undefined) read.push(parsed);
    }
  } catch (error) {
    if (error instanceof DeepFlow) return [{ findings: [tooDeep({ start: error.offset, end: error.offset + 1 })] }];
    // yaml composes nested collections recursively: nesting beyond all sense ends in a stack overflow.
    if (error instanceof RangeError) return [{ findings: [tooDeep({ start: 0, end: 1 })] }];
    throw error;
  }
  return read;
}

function findUnreadable(text: string): Finding | undefined {
  if (text.length > maxFileLength) {
    return {
      code: 'file-too-large',
      message: `the file has ${text.length} characters; at most ${maxFileLength} are read`,
      span: { start: 0, end: 1 },
      path: '',
      hint: 'split it into several files',
    };
  }
  // U+FFFD is what a decoder puts where the bytes are no UTF-8; control characters are forbidden in YAML.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const found = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/.exec(text);
  if (found === null) return undefined;
  const span = { start: found.index, end: found.index + 1 };
  if (found[0] === '\ufffd') {
    return { code: 'not-utf8', message: 'the file is not UTF-8 text', span, path: '', hint: 'save it as UTF-8' };
  }
  const name = `U+${(found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  return {
    code: 'control-character',
    message: `control character ${name} is not allowed in YAML`,
    span,
    path: '',
    hint: 'remove it, or write it as an escape in a double-quoted string',
  };
}

/** A flow collection that is nested too deep begins at this offset. */
class DeepFlow extends Error {
  readonly offset: number;
  constructor(offset: number) {
    super();
    this.offset = offset;
  }
}

/**
 * What yaml's parser makes of a text. It takes quadratic time for flow collections that are nested without end (8,000
 * opening brackets: a minute), so it is given no more than what is still looked at. Throws `DeepFlow`.
 */
function* tokensOf(text: string): Generator<CST.Token, void> {
  const parser = new Parser();
  let depth = 0;
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === '[' || lexeme === '{') depth += 1;
    else if (lexeme === ']' || lexeme === '}') depth = Math.max(0, depth - 1);
    else if (lexeme === '---') depth = 0;
    if (depth > maxDepth) throw new DeepFlow(offset);
    // The lexer marks documents and scalars with one control character that is not in the text.
    if (lexeme !== '\x02' && lexeme !== '\x18' && lexeme !== '\x1f') offset += lexeme.length;
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

function readDocument(
  text: string,
  document: Document.Parsed,
  regionOf: (offset: number) => Region,
): ParsedDocument | undefined {
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) return { findings: syntaxFindings(text, problems, regionOf(document.range[0])) };
  if (document.contents === null) return undefined;
  const conversion = convert(text, document.contents);
  if (conversion.findings.length > 0) return { findings: conversion.findings };
  const content = conversion.tree;
  if (content.kind === 'scalar' && content.value === null) return undefined;
  return { content, findings: [] };
}

/** The first mistake of a document: what the parser says after it is mostly a consequence. */
function syntaxFindings(text: string, problems: readonly YAMLError[], region: Region): readonly Finding[] {
  const [first] = problems;
  if (first === undefined) return [];
  const tag = problems.find(({ code }) => code === 'TAG_RESOLVE_FAILED');
  if (tag !== undefined) return [syntaxFinding(text, tag)];
  const exhausted = problems.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  return [explainSyntax(text, region) ?? syntaxFinding(text, exhausted ?? first)];
}

function syntaxFinding(text: string, problem: YAMLError): Finding {
  const [start, end] = problem.pos;
  const base = { span: { start, end: Math.max(end, start + 1) }, path: '' };
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const lineEnd = text.indexOf('\n', start);
  const line = text.slice(lineStart, lineEnd === -1 ? text.length : lineEnd);
  if (problem.code === 'TAB_AS_INDENT' || (/^\s*\t/.test(line) && problem.code !== 'TAG_RESOLVE_FAILED')) {
    return {
      ...base,
      code: 'yaml-syntax',
      message: 'a tab stands where YAML wants spaces',
      hint: 'indent with spaces',
    };
  }
  if (problem.code === 'TAG_RESOLVE_FAILED') {
    return { ...base, code: 'unknown-tag', message: 'YAML tags have no meaning in a spec', hint: 'remove the tag' };
  }
  if (problem.code === 'RESOURCE_EXHAUSTION') return tooDeep(base.span);
  const message = problem.message.replace(/\.?\s*$/, '').replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase());
  const hint = problem.code === 'BAD_SCALAR_START' ? 'put the value into quotes' : undefined;
  return { ...base, code: 'yaml-syntax', message, hint };
}
