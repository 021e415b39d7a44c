import type { Notice } from '../../model/notices.ts';
import { renderNotice } from '../render/error.ts';
import type { TableStyle } from '../render/table.ts';
import { onlyOurs } from '../render/text.ts';
import { isCi, type Palette, palette, wantsColor } from './palette.ts';
import type { Program, Screen } from './program.ts';

/** The process's streams as the commands use them: the answer to stdout, all else to stderr, both redacted. */
export type Terminal = {
  /** Writes a block of the answer; one newline is added. */
  readonly answer: (text: string) => void;
  /** Writes a piece of the answer as it is: bytes, or text without a newline of ours; a file keeps its size. */
  readonly answerExactly: (content: string | Uint8Array) => void;
  /** Writes a line of a long answer; resolves when more can be taken, with false once nothing can be written any more. */
  readonly stream: (text: string) => Promise<boolean>;
  /** Writes a block over the one that was written so last, cut to the height of the terminal; only where `redraws`. */
  readonly redraw: (block: (width: number) => string) => void;
  /** Whether a block of the answer can be drawn over itself. */
  readonly redraws: boolean;
  /** Writes a notice, a progress line or an error; one newline is added. */
  readonly notice: (text: string) => void;
  /** Tells what is known beside the answer, as `note[code]: …`. */
  readonly note: (notice: Notice) => void;
  /** For the answer. */
  readonly palette: Palette;
  /** For notices. */
  readonly noticePalette: Palette;
  /** Columns of the answer's terminal; 100 where there is none. */
  readonly width: number;
  /** Whether the answer is looked at by a person, or read by a program or file. */
  readonly answerIsTerminal: boolean;
  /** How tables of the answer are drawn. */
  readonly table: TableStyle;
  /** Whether progress can be drawn over itself. */
  readonly live: boolean;
  /** Whether somebody can be asked. */
  readonly canAsk: boolean;
  readonly askLine: Program['askLine'];
};

type TerminalOptions = {
  readonly noColor: boolean;
  /** Masks secrets; applied to everything that is written. */
  readonly redact: (text: string) => string;
};

/** Writes lines no faster than they are read. */
function lineWriter(out: Screen, redact: (text: string) => string): Terminal['stream'] {
  let watched = false;
  let broken: Error | undefined;
  return async (text) => {
    if (!watched) out.on('error', (error) => (broken ??= error));
    watched = true;
    if (broken === undefined && !out.write(`${redact(text)}\n`)) {
      await new Promise<void>((resolve) => {
        const go = (): void => {
          out.off('drain', go).off('close', go);
          resolve();
        };
        out.once('drain', go).once('close', go);
      });
    }
    return broken === undefined;
  };
}

/** Draws blocks over one another; a terminal that knows no size says 0. Lines may not be wider than the terminal: their number says how far up the last one began. */
function redrawer(out: Screen, redact: (text: string) => string): Terminal['redraw'] {
  let drawn = 0;
  return (block) => {
    const lines = redact(onlyOurs(block(out.columns || 100))).split('\n');
    const most = Math.max(2, (out.rows || 24) - 1);
    const more = lines.length - most;
    const shown = more > 0 ? [...lines.slice(0, most - 1), `… ${more + 1} more`] : lines;
    out.write(`${drawn > 0 ? `\u001b[${drawn}A` : ''}\r\u001b[J${shown.join('\n')}\n`);
    drawn = shown.length;
  };
}

/** The terminal of a program. */
export function openTerminal(program: Program, { noColor, redact }: TerminalOptions): Terminal {
  const { environment, stdin, stdout, stderr } = program;
  const colored = (isTerminal: boolean) => wantsColor({ refused: noColor, environment, isTerminal });
  const answerIsTerminal = stdout.isTTY === true;
  const noticeIsTerminal = stderr.isTTY === true;
  const noticePalette = palette(colored(noticeIsTerminal));
  const answerPalette = palette(colored(answerIsTerminal));
  const width = stdout.columns ?? 100;
  const notice = (text: string): void => void stderr.write(`${redact(onlyOurs(text))}\n`);
  return {
    answer: (text) => void stdout.write(`${redact(onlyOurs(text))}\n`),
    // Bytes are no text in which a secret could be masked.
    answerExactly: (content) => void stdout.write(typeof content === 'string' ? redact(content) : content),
    stream: lineWriter(stdout, redact),
    redraw: redrawer(stdout, redact),
    redraws: answerIsTerminal && environment.TERM !== 'dumb' && !isCi(environment),
    notice,
    note: (one) => notice(renderNotice('note', one, noticePalette)),
    palette: answerPalette,
    noticePalette,
    width,
    answerIsTerminal,
    table: { palette: answerPalette, width: answerIsTerminal ? width : undefined },
    live: noticeIsTerminal && environment.TERM !== 'dumb' && !isCi(environment),
    canAsk: stdin.isTTY === true && noticeIsTerminal,
    askLine: program.askLine,
  };
}
