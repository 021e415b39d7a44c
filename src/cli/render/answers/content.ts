import type { ContentPart, PromptMessage, SavedFile } from '../../../app/talk/save-content.ts';
import { assertNever } from '../../../model/errors.ts';
import type { Palette } from '../../terminal/palette.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { size, visible, visibleLines } from '../text.ts';

type ContentOptions = {
  readonly palette: Palette;
  /** Makes an answer safe for what reads it: a terminal must not be steered by it, a program gets it as it is. */
  readonly shown: (text: string) => string;
};

/** How content is shown on this terminal, or in the file or pipe that stands in for it. */
export const contentOptions = ({ palette, answerIsTerminal }: Terminal): ContentOptions => ({
  palette,
  shown: answerIsTerminal ? visibleLines : (text) => text,
});

/** An answer for people: text as it is, all else as a line in brackets: what it is, and how to get it. */
export const renderParts = (parts: readonly ContentPart[], options: ContentOptions): string =>
  parts.map((part) => renderPart(part, options)).join('\n');

/** The messages of a prompt, each below the role that speaks. */
export const renderMessages = (messages: readonly PromptMessage[], options: ContentOptions): string =>
  messages
    .map(({ role, parts }) => `${options.palette.strong(`${visible(role)}:`)}\n${renderParts(parts, options)}`)
    .join('\n\n');

function renderPart(part: ContentPart, { palette, shown }: ContentOptions): string {
  switch (part.kind) {
    case 'text':
    case 'document':
      return shown(part.text);
    case 'bytes': {
      const kind = [part.uri, part.mimeType, size(part.bytes.length)].filter((text) => text !== undefined).join(', ');
      return palette.quiet(visible(`[${part.what} ${kind}; --out DIR saves it]`));
    }
    case 'link': {
      const about = [part.name, part.mimeType].filter((text) => text !== undefined).join(', ');
      return palette.quiet(visible(`[resource ${part.uri}${about === '' ? '' : `: ${about}`}]`));
    }
    case 'other':
      return palette.quiet(visible(`[${part.type}; --json shows it]`));
    default:
      return assertNever(part);
  }
}

/** `wrote pictures/get-tiny-image-1.png (image/png, 2.3 KiB)`. */
export const renderSaved = ({ path, mimeType, bytes }: SavedFile): string =>
  visible(`wrote ${path} (${mimeType === undefined ? '' : `${mimeType}, `}${size(bytes)})`);
