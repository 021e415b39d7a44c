import type { HealthWatch } from '../../../app/inspect/check-health.ts';
import { duration } from '../../../model/times.ts';
import type { Screen } from '../../terminal/program.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { paintOfVerdict } from '../servers/mcp-servers.ts';
import { padEnd } from '../text.ts';
import { liveLines } from './live-lines.ts';

/** Lines that are kept free below the list. */
const spareRows = 4;
/** How often the elapsed times move on, ms. */
const tickMs = 500;

/** Servers as a live list while they are asked; with more than rows, only those. Always `finish` it. */
export function healthProgress(
  { noticePalette: palette }: Terminal,
  screen: Screen,
  nowMs: () => number,
): { readonly watch: HealthWatch; readonly finish: () => Promise<void> } {
  let finish = async (): Promise<void> => {};
  const begin: HealthWatch = (names) => {
    const nameWidth = Math.max(...names.map((name) => name.length));
    const crowded = names.length > (screen.rows ?? 24) - spareRows;
    const { lines, footer, drawn } = liveLines(
      screen,
      names.map((name) => (crowded ? '' : palette.quiet(`${padEnd(name, nameWidth)}  waiting`))),
    );
    const lineOf = new Map(names.map((name, index) => [name, lines[index]]));
    const since = new Map<string, number>();
    let ended = 0;
    const draw = (): void => {
      for (const [name, start] of since) {
        lineOf
          .get(name as (typeof names)[number])
          ?.setTitle(`${padEnd(name, nameWidth)}  asked  ${palette.quiet(duration(nowMs() - start))}`);
      }
      if (crowded) footer.setTitle(palette.quiet(`${ended} of ${names.length} have answered`));
    };
    const ticker = setInterval(draw, tickMs);
    ticker.unref();
    finish = async () => {
      clearInterval(ticker);
      for (const line of [...lines, footer]) line.settle();
      await drawn;
    };
    return {
      asked: (name) => {
        since.set(name, nowMs());
        draw();
      },
      found: ({ name, verdict }) => {
        since.delete(name);
        ended += 1;
        const line = lineOf.get(name);
        const text = `${padEnd(name, nameWidth)}  ${paintOfVerdict(verdict, palette)(verdict)}`;
        line?.setTitle(crowded ? '' : text);
        line?.settle(verdict === 'unhealthy' && !crowded ? text : undefined);
        draw();
      },
    };
  };
  return { watch: begin, finish: () => finish() };
}
