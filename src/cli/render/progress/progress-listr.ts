import type { EventSink } from '../../../model/events.ts';
import type { Plan } from '../../../model/plan.ts';
import { duration } from '../../../model/times.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { padEnd, truncate, visible } from '../text.ts';
import { liveLines } from './live-lines.ts';
import {
  advance,
  describeLane,
  failureIn,
  isFinished,
  type Lane,
  laneOf,
  lanesOf,
  type Progress,
} from './progress-lanes.ts';

/** Lines that are kept free below the list. */
const spareRows = 6;
/** How often the elapsed times move on, ms. */
const tickMs = 500;

/** Servers as a live list, each with its step and time; with more servers than rows, those being worked on. */
export function liveProgress(plan: Plan, terminal: Terminal, nowMs: () => number): Progress {
  const { noticePalette: palette } = terminal;
  const lanes = new Map(lanesOf(plan).map((lane) => [lane.name, lane]));
  const nameWidth = Math.max(0, ...[...lanes.keys()].map((name) => name.length));
  const crowded = lanes.size > (process.stderr.rows ?? 24) - spareRows;
  const columns = (process.stderr.columns ?? 80) - 6;

  const title = (lane: Lane): string => {
    const name = padEnd(visible(lane.name), nameWidth);
    if (lane.startedAt === undefined) return crowded ? '' : palette.quiet(`${name}  waiting`);
    const elapsed = duration(nowMs() - lane.startedAt);
    if (isFinished(lane)) return crowded ? '' : `${name}  ${palette.quiet(elapsed)}`;
    const room = Math.max(20, columns - nameWidth - elapsed.length - 4);
    return `${name}  ${truncate(describeLane(lane), room)}  ${palette.quiet(elapsed)}`;
  };
  const failureTitle = (lane: Lane): string | undefined => {
    const failure = failureIn(lane)?.split('\n')[0];
    return failure === undefined
      ? undefined
      : `${padEnd(visible(lane.name), nameWidth)}  ${truncate(failure, Math.max(20, columns - nameWidth - 2))}`;
  };

  const { lines, footer, drawn } = liveLines(process.stderr, [...lanes.values()].map(title));
  const lineOf = new Map([...lanes.keys()].map((name, index) => [name, lines[index]]));
  const notices: string[] = [];
  const drawFooter = () => {
    const finished = [...lanes.values()].filter(isFinished).length;
    const notice = notices.at(-1);
    const text = [...(crowded ? [`${finished} of ${lanes.size} done`] : []), ...(notice === undefined ? [] : [notice])];
    footer.setTitle(palette.quiet(text.join(' · ')));
  };

  const ticker = setInterval(() => {
    for (const lane of lanes.values()) if (lane.running.size > 0) lineOf.get(lane.name)?.setTitle(title(lane));
    drawFooter();
  }, tickMs);
  ticker.unref();

  const sink: EventSink = (event) => {
    const before = lanes.get(laneOf(event.step));
    if (before === undefined) return;
    const lane = advance(before, event, nowMs());
    lanes.set(lane.name, lane);
    const line = lineOf.get(lane.name);
    line?.setTitle(title(lane));
    if (isFinished(lane)) line?.settle(failureTitle(lane));
  };
  return {
    sink,
    // listr2 holds back what others write to the stream while it draws: shown in the list now, printed at the end.
    notice: (text) => {
      notices.push(text);
      drawFooter();
    },
    finish: async () => {
      clearInterval(ticker);
      for (const [name, line] of lineOf) {
        const lane = lanes.get(name);
        line?.settle(lane === undefined ? undefined : failureTitle(lane));
      }
      footer.settle();
      await drawn;
      // Once: whoever ends the run finishes too, however it came to its end.
      for (const text of notices.splice(0)) terminal.notice(text);
    },
  };
}
