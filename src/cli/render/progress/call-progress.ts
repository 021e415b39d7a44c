import type { CallProgress } from '../../../mcp/client/session.ts';
import { duration } from '../../../model/times.ts';
import type { Palette } from '../../terminal/palette.ts';
import { displayWidth, padEnd, truncate, visibleLines } from '../text.ts';

/** Shows how far a call is, and prints notices without disturbing that. */
export type CallDisplay = {
  readonly progress: (progress: CallProgress) => void;
  readonly notice: (text: string) => void;
  /** Takes the live line down until the returned function is called. */
  readonly clear: () => () => void;
  readonly finish: () => void;
};

type DisplayOptions = {
  readonly notice: (text: string) => void;
  /** Writes to the terminal as it is. */
  readonly write: (text: string) => void;
  readonly palette: Palette;
  readonly columns: number;
  readonly nowMs: () => number;
};

/** Progress where nothing can be drawn over: a plain line at most this often, ms. */
const quietMs = 5_000;
/** How often the live line moves on, ms: servers may report thousands of times a second. */
const frameMs = 100;
/** A call that is quicker than this shows nothing, ms. */
const patienceMs = 500;
const barWidth = 20;
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** Shows nothing: a program reads the answer. */
export const silentDisplay = (notice: (text: string) => void): CallDisplay => ({
  progress: () => {},
  notice,
  clear: () => () => {},
  finish: () => {},
});

/** A plain line for the first report, and then now and then one. */
export function lineDisplay(name: string, { notice, palette, nowMs }: DisplayOptions): CallDisplay {
  let last = -Infinity;
  return {
    ...silentDisplay(notice),
    progress: (progress) => {
      if (nowMs() - last < quietMs) return;
      last = nowMs();
      notice(`${palette.quiet(`[${name}]`)} ${describeProgress(progress)}`);
    },
  };
}

/** One line that is drawn over itself: a bar where the total is known, else a spinner, with the server's words. */
export function liveDisplay(name: string, { notice, write, palette, columns, nowMs }: DisplayOptions): CallDisplay {
  const started = nowMs();
  let latest: CallProgress | undefined;
  let drawn = false;
  let holds = 0;
  let frame = 0;

  const erase = () => {
    if (drawn) write('\r\u001b[K');
    drawn = false;
  };
  const draw = () => {
    const elapsed = nowMs() - started;
    if (holds > 0 || (latest === undefined && elapsed < patienceMs)) return;
    frame = (frame + 1) % frames.length;
    const time = duration(elapsed);
    const room = Math.max(10, columns - displayWidth(time) - 5);
    const text = padEnd(truncate(latest === undefined ? name : withBar(latest), room), Math.min(room, 30));
    write(`\r\u001b[K${palette.note(frames[frame] ?? '')} ${text}  ${palette.quiet(time)}`);
    drawn = true;
  };
  const ticker = setInterval(draw, frameMs);
  ticker.unref();

  return {
    progress: (progress) => {
      latest = progress;
    },
    notice: (text) => {
      erase();
      notice(text);
    },
    clear: () => {
      holds += 1;
      erase();
      return () => {
        holds -= 1;
      };
    },
    finish: () => {
      clearInterval(ticker);
      erase();
    },
  };
}

/** How much of the total is done, 0 to 1; undefined where there is none. */
const shareOf = ({ progress, total }: CallProgress): number | undefined =>
  total === undefined || total <= 0 ? undefined : Math.min(1, Math.max(0, progress / total));

/** `3 of 10, reading a.txt`; the count alone where the total is not known. */
export function describeProgress(progress: CallProgress): string {
  const count = progress.total === undefined ? `${progress.progress}` : `${progress.progress} of ${progress.total}`;
  return progress.message === undefined ? count : `${count}  ${oneLine(progress.message)}`;
}

function withBar(progress: CallProgress): string {
  const share = shareOf(progress);
  if (share === undefined) return describeProgress(progress);
  const full = Math.round(share * barWidth);
  const bar = `${'━'.repeat(full)}${'─'.repeat(barWidth - full)}`;
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `${bar} ${percent}${progress.message === undefined ? '' : `  ${oneLine(progress.message)}`}`;
}

const oneLine = (text: string): string => visibleLines(text).replaceAll('\n', ' ');
