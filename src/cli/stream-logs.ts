import { type LogRequest, openLogs } from '../app/inspect/read-logs.ts';
import { LoomsError } from '../model/errors.ts';
import type { CommandContext } from './context.ts';
import { exitCode } from './exit-codes.ts';
import { logLineJson, logLineRenderer } from './render/log-lines.ts';
import { listenForSignals } from './signals.ts';

export type StreamLogsOptions = { readonly json: boolean; readonly timestamps: boolean };

/**
 * Writes lines of logs to stdout as they come, no faster than they are read. Ends when they end, when nobody reads any
 * more, or on Ctrl-C: that is how one leaves `-f`, so it is exit 130 (143 after SIGTERM) without an error.
 */
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
  if (signal !== undefined) process.exitCode = signal === 'SIGTERM' ? exitCode.terminated : exitCode.interrupted;
}
