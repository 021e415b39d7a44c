import Anser from 'anser';
import { visible } from '../../src/cli/render/text.ts';

/** A piece of a line in one style: its text, and classes of `style/log.css`. */
export type Piece = { readonly text: string; readonly style: string };

/** The sixteen colours that a terminal names, and what it does with text; other colours would not fit both schemes. */
const known =
  /^ansi-(?:bright-)?(?:black|red|green|yellow|blue|magenta|cyan|white)$|^(?:bold|dim|italic|underline|strikethrough)$/;

/** A line of a log in pieces. What else a terminal would act on, and what is not seen, becomes a visible escape. */
export function piecesOf(line: string): readonly Piece[] {
  if (!line.includes('\u001b')) return [{ text: visible(line), style: '' }];
  return Anser.ansiToJson(line, { json: true, use_classes: true, remove_empty: true }).map(
    ({ content, fg, bg, decorations }) => ({
      text: visible(content),
      style: [fg, bg && `on-${bg}`, ...decorations]
        .filter((name) => known.test(name?.replace(/^on-/, '') ?? ''))
        .join(' '),
    }),
  );
}
