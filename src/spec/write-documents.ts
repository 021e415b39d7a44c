import { Document, visit } from 'yaml';
import { unicodeEscape, unseenInLines } from '../model/values/unseen.ts';

const unprintable = new RegExp(unseenInLines.source, 'gu');

/** Texts of several lines that a block gives back as they are, and people can read there. */
const isBlock = (text: string): boolean => /^\S.*\n(?:.*\S\n|\n(?=.*\S))*$/.test(text) && !/[^\S\n]\n/.test(text);

/** Texts that no version of YAML takes for anything else, but for words as `yes`, which `yaml` knows. */
const isPlain = (text: string): boolean => /^[A-Za-z/.][\w ./:@-]*$/.test(text) && !/: |:$|^\.?\d| $/.test(text);

/** Objects as YAML, each a document of its own; what is not seen stands escaped, and a text read back is the same. */
export const writeDocuments = (objects: readonly object[]): string => objects.map(oneDocument).join('---\n');

function oneDocument(object: object): string {
  // Go reads YAML 1.1, in which `yes`, `on` and `1_000` are no texts.
  const document = new Document(object, { aliasDuplicateObjects: false, schema: 'yaml-1.1' });
  visit(document, {
    Scalar(key, node) {
      if (typeof node.value !== 'string' || isPlain(node.value)) return;
      const isBlocky = key === 'value' && node.value.search(unprintable) === -1 && isBlock(node.value);
      node.type = isBlocky ? 'BLOCK_LITERAL' : 'QUOTE_DOUBLE';
    },
  });
  return document.toString({ lineWidth: 0 }).replaceAll(unprintable, unicodeEscape);
}
