import type { ServerLogLine } from '../app/inspect/log-source.ts';
import { type LogRequest, openLogs } from '../app/inspect/read-logs.ts';
import { LoomsError } from '../model/errors.ts';
import { isoTime } from '../model/times.ts';
import { seenJson } from '../model/unseen.ts';
import type { CommandContext } from './context.ts';
import { exitCodeOfSignal } from './exit-codes.ts';
import type { Palette } from './palette.ts';
import { padEnd, visibleLines } from './render/text.ts';
import { listenForSignals } from './signals.ts';

type StreamLogsOptions = { readonly json: boolean; readonly timestamps: boolean };

/** Writes log lines to stdout as they come and are read, until they end or Ctrl-C (exit 130, SIGTERM 143). */
export async function streamLogs(
  { ports, terminal, project }: CommandContext,
  request: LogRequest,
  { json, timestamps }: StreamLogsOptions,
): Promise<void> {
  const interruption = listenForSignals(0, () => {});
  const { stop } = interruption;
  try {
    const { servers, lines } = await openLogs(ports, request, stop);
    if (servers.length === 0 && !json) terminal.notice(`No server in project ${project.name}.`);
    const { palette } = terminal;
    const render = json ? logLineJson : logLineRenderer({ servers, timestamps, palette });
    for await (const line of lines) {
      if (stop.aborted || !(await terminal.stream(render(line)))) break;
    }
  } catch (error) {
    if (!(error instanceof LoomsError) || error.code !== 'interrupted' || !stop.aborted) throw error;
  } finally {
    interruption.dispose();
  }
  const signal = interruption.received();
  if (signal !== undefined) process.exitCode = exitCodeOfSignal(signal);
}

/** A line of a log for programs (schemas/mcp-logs.schema.json). */
const logLineJson = ({ time, server, generation, container, stream, text }: ServerLogLine): string =>
  seenJson(JSON.stringify({ time: isoTime(time), server, generation, container, stream, text }));

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
  return ({ server, time, text }) => {
    const when = timestamps ? `${palette.quiet(isoTime(time))} ` : '';
    return `${prefixOf(server)}${when}${visibleLines(text)}`;
  };
}
