import { isRecord } from '../../../model/values/is-record.ts';

import type { CallResult, PromptResult, ReadResult } from '../session.ts';

type Block = Readonly<Record<string, unknown>>;

/** One piece of an answer, told apart by what can be done with it. All texts are the server's own. */
export type ContentPart =
  | { readonly kind: 'text'; readonly text: string }
  /** A resource that is text, and stands in the answer itself. */
  | { readonly kind: 'document'; readonly uri: string; readonly mimeType?: string; readonly text: string }
  | {
      readonly kind: 'bytes';
      readonly what: 'image' | 'audio' | 'resource';
      readonly uri?: string;
      readonly mimeType?: string;
      readonly bytes: Uint8Array;
    }
  /** A resource that can be read. */
  | { readonly kind: 'link'; readonly uri: string; readonly name?: string; readonly mimeType?: string }
  /** A block that we do not know, or that lacks what its type needs. */
  | { readonly kind: 'other'; readonly type: string };

/** The answer of a tool. Structured content is shown as JSON where there is no text that says the same. */
export function resultParts(result: CallResult): readonly ContentPart[] {
  const parts = result.content.map(blockToPart);
  const hasText = parts.some(({ kind }) => kind === 'text' || kind === 'document');
  if (hasText || result.structuredContent === undefined) return parts;
  return [...parts, { kind: 'text', text: JSON.stringify(result.structuredContent, undefined, 2) }];
}

/** The contents of a resource. */
export const readParts = (result: ReadResult): readonly ContentPart[] => result.contents.map(resourceToPart);

export type PromptMessage = { readonly role: string; readonly parts: readonly ContentPart[] };

/** The messages of a prompt, in order. */
export const promptMessages = (result: PromptResult): readonly PromptMessage[] =>
  result.messages.map(({ role, content }) => ({
    role: textOf(role) ?? 'unknown',
    parts: (Array.isArray(content) ? content : [content]).filter(isRecord).map(blockToPart),
  }));

function blockToPart(block: Block): ContentPart {
  const type = textOf(block.type) ?? 'unknown';
  switch (type) {
    case 'text':
      return { kind: 'text', text: textOf(block.text) ?? '' };
    case 'image':
    case 'audio':
      if (typeof block.data !== 'string') return { kind: 'other', type };
      return { kind: 'bytes', what: type, ...given({ mimeType: block.mimeType }), bytes: decoded(block.data) };
    case 'resource':
      return isRecord(block.resource) ? resourceToPart(block.resource) : { kind: 'other', type };
    case 'resource_link': {
      const uri = textOf(block.uri);
      return uri === undefined
        ? { kind: 'other', type }
        : { kind: 'link', uri, ...given({ name: block.title ?? block.name, mimeType: block.mimeType }) };
    }
    default:
      return { kind: 'other', type };
  }
}

function resourceToPart(resource: Block): ContentPart {
  const uri = textOf(resource.uri);
  const { text, blob, mimeType } = resource;
  if (typeof text === 'string') return { kind: 'document', uri: uri ?? '', ...given({ mimeType }), text };
  if (typeof blob !== 'string') return { kind: 'other', type: 'resource' };
  return { kind: 'bytes', what: 'resource', ...given({ uri, mimeType }), bytes: decoded(blob) };
}

const decoded = (base64: string): Uint8Array => Buffer.from(base64, 'base64');

/** Those of the fields that are texts. */
function given<K extends string>(fields: Readonly<Record<K, unknown>>): { readonly [key in K]?: string } {
  const texts = Object.entries(fields).filter(([, value]) => textOf(value) !== undefined);
  return Object.fromEntries(texts) as { readonly [key in K]?: string };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
