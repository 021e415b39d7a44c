import type { ServerLogLine } from '../../app/inspect/log-source.ts';
import { isoTime } from '../../model/times.ts';
import { seenJson } from '../../model/unseen.ts';
import type { Palette } from '../palette.ts';
import { padEnd, visibleLines } from './text.ts';

/** A line of a log for programs (schemas/mcp-logs.schema.json). */
export const logLineJson = ({ time, server, generation, container, stream, text }: ServerLogLine): string =>
  seenJson(JSON.stringify({ time: isoTime(time), server, generation, container, stream, text }));

export type LogLineOptions = {
  /** Whose lines these are; with more than one, each line says whose it is. */
  readonly servers: readonly string[];
  readonly timestamps: boolean;
  readonly palette: Palette;
};

/** Makes lines of logs into text, each server in a colour of its own. */
export function logLineRenderer(options: LogLineOptions): (line: ServerLogLine) => string {
  const { timestamps, palette } = options;
  const order = [...options.servers];
  const width = Math.max(0, ...order.map((name) => name.length));
  const prefixOf = (server: string): string => {
    if (!order.includes(server)) order.push(server);
    if (order.length < 2) return '';
    const paint = palette.series[order.indexOf(server) % palette.series.length] ?? palette.series[0];
    return `${paint(`${padEnd(server, width)} │`)} `;
  };
  return ({ server, time, text }) => {
    const when = timestamps ? `${palette.quiet(isoTime(time))} ` : '';
    return `${prefixOf(server)}${when}${visibleLines(text)}`;
  };
}
