import type { CallResult } from './session.ts';

type Block = Readonly<Record<string, unknown>>;

/**
 * A result as text for standard output: text blocks as they are, one below the other; anything else as one line in
 * brackets that says what and how big it is. A result with structured content only is shown as JSON.
 */
export function contentToText(result: CallResult): string {
  if (result.content.length === 0 && result.structuredContent !== undefined) {
    return JSON.stringify(result.structuredContent, undefined, 2);
  }
  return result.content.map(blockToText).join('\n');
}

function blockToText(block: Block): string {
  const type = textOf(block.type) ?? 'unknown';
  if (type === 'text') return textOf(block.text) ?? '';
  if (type === 'resource') return resourceToText(block.resource);
  const mime = textOf(block.mimeType);
  const data = textOf(block.data);
  const what = [type, mime, type === 'resource_link' ? textOf(block.uri) : undefined];
  const size = data === undefined ? undefined : sizeOf(base64Bytes(data));
  return `[${[...what, size].filter((part) => part !== undefined).join(' ')}]`;
}

/** An embedded text resource is text; a binary one is named. */
function resourceToText(resource: unknown): string {
  if (typeof resource !== 'object' || resource === null) return '[resource]';
  const { uri, text, blob, mimeType }: { uri?: unknown; text?: unknown; blob?: unknown; mimeType?: unknown } = resource;
  if (typeof text === 'string') return text;
  const size = typeof blob === 'string' ? sizeOf(base64Bytes(blob)) : undefined;
  return `[${['resource', textOf(uri), textOf(mimeType), size].filter((part) => part !== undefined).join(' ')}]`;
}

/** Bytes that a base64 text stands for. */
function base64Bytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return Math.floor((text.length * 3) / 4) - padding;
}

function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${Math.round(kib)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
