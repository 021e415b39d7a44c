import type { ContentPart } from '../../../app/talk/save-content.ts';
import { LoomsError } from '../../../model/errors.ts';
import { size, visibleLines } from '../text.ts';

/** What is printed of a resource. */
type ResourceAnswer =
  /** Byte for byte, so that a file that it is written to is the resource. */
  | { readonly kind: 'exactly'; readonly content: string | Uint8Array }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'nothing' };

/** A resource as safe text on a terminal; elsewhere one is passed on byte for byte. Throws `usage` for others. */
export function resourceAnswer(uri: string, parts: readonly ContentPart[], onTerminal: boolean): ResourceAnswer {
  const [only, ...others] = parts;
  if (only === undefined) return { kind: 'nothing' };
  if (others.length === 0 && !onTerminal) {
    if (only.kind === 'bytes') return { kind: 'exactly', content: only.bytes };
    if (only.kind === 'document') return { kind: 'exactly', content: only.text };
  }
  const text = parts.map((part) => textOf(part) ?? refuse(uri, part, onTerminal)).join('\n');
  return { kind: 'text', text: onTerminal ? visibleLines(text).replace(/\n$/, '') : text };
}

function refuse(uri: string, part: ContentPart, onTerminal: boolean): never {
  const why = onTerminal ? 'on a terminal' : 'together with other content';
  throw new LoomsError('usage', `${uri} ${kindOf(part)}, which is not printed ${why}`, {
    hint: 'save it with --out DIR, or look at it with --json',
  });
}

/** Text, also where a server sends it as bytes that it calls text. */
function textOf(part: ContentPart): string | undefined {
  if (part.kind === 'document' || part.kind === 'text') return part.text;
  if (part.kind !== 'bytes' || part.mimeType?.startsWith('text/') !== true) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(part.bytes);
  } catch {
    return undefined; // It is called text and is none.
  }
}

const kindOf = (part: ContentPart): string =>
  part.kind === 'bytes'
    ? `is binary (${part.mimeType === undefined ? '' : `${part.mimeType}, `}${size(part.bytes.length)})`
    : 'holds content of a type that looms does not know';
