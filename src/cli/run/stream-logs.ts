import type { ServerLogLine } from '../../app/inspect/logs/log-source.ts';
import { type LogRequest, openLogs } from '../../app/inspect/logs/read-logs.ts';
import { duration, isoTime } from '../../model/times.ts';
import { readTraceLine, type TraceLine } from '../../model/trail/trace-line.ts';
import { defined } from '../../model/values/defined.ts';
import { seenJson } from '../../model/values/unseen.ts';
import type { CommandContext } from '../context.ts';
import { padEnd, visible, visibleLines } from '../render/text.ts';
import type { Palette } from '../terminal/palette.ts';
import { untilSignal } from '../terminal/signals.ts';

type StreamLogsOptions = { readonly json: boolean; readonly timestamps: boolean };

/** Writes log lines to stdout as they come and are read, until they end or Ctrl-C (exit 130, SIGTERM 143). */
export async function streamLogs(
  { ports, terminal, project }: CommandContext,
  request: LogRequest,
  { json, timestamps }: StreamLogsOptions,
): Promise<void> {
  await untilSignal(async (stop) => {
    const { servers, lines } = await openLogs(ports, request, stop);
    if (servers.length === 0 && !json) terminal.notice(`No server in project ${project.name}.`);
    const { palette } = terminal;
    const render = json ? logLineJson : logLineRenderer({ servers, timestamps, palette });
    for await (const line of lines) {
      // Masked as it stands: a span that is taken out of it no longer looks like the secret.
      if (stop.aborted || !(await terminal.stream(render({ ...line, text: ports.mask(line.text) })))) break;
    }
  });
}

/** A line of a log for programs. */
export type LogLine = Omit<ServerLogLine, 'time'> & { readonly time: string; readonly trace?: TraceLine };

/** A line of a log for programs (schemas/mcp-logs.schema.json). */
function logLineJson({ time, server, generation, container, stream, text, gone }: ServerLogLine): string {
  const about = { time: isoTime(time), server, generation, container, stream, text };
  const line: LogLine = { ...about, ...defined({ gone, trace: readTraceLine(text) }) };
  return seenJson(JSON.stringify(line));
}

type LogLineOptions = {
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
  return ({ server, generation, time, text, gone }) => {
    const when = timestamps ? `${palette.quiet(isoTime(time))} ` : '';
    // Of a generation that is gone, so that nobody looks for it.
    const whose = gone === true ? `${palette.quiet(`(gen ${generation}, gone)`)} ` : '';
    const trace = readTraceLine(text);
    return `${prefixOf(server)}${when}${whose}${trace === undefined ? visibleLines(text) : traceText(trace, palette)}`;
  };
}

/** A span in one line: `◇ query_database 120ms rows=3`. */
const traceText = ({ name, startMs, endMs, failed, attributes }: TraceLine, palette: Palette): string =>
  [
    palette.note('◇'),
    visible(name),
    duration(endMs - startMs),
    ...(failed ? [palette.error('failed')] : []),
    ...Object.entries(attributes).map(([key, value]) => palette.quiet(visible(`${key}=${value}`))),
  ].join(' ');
