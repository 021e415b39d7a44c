import { isFailure } from '../../../model/errors.ts';
import type { ContainerId, ServerName } from '../../../model/ids.ts';
import type { ServerContainer } from '../../../model/server-view.ts';
import type { LogLine, LogQuery, SessionHost } from '../../../orchestrator/session-host.ts';

/** A line of a server's log, and which of its containers wrote it. */
export type ServerLogLine = LogLine & {
  readonly server: ServerName;
  readonly generation: number;
  readonly container: ContainerId;
  /** Its container is gone: the line was kept on this machine. */
  readonly gone?: true;
};

/** How far a container's log was read: the time of its last line, and how many lines of that millisecond there were. */
type Position = { readonly time: number; readonly lines: number };

/** A container whose log is read, if need be more than once: reading goes on behind the last line that was taken. */
export type LogSource = {
  readonly container: ServerContainer;
  /** Reads to the end of the log, or with `follow` until the container stops. A container that is gone has no lines. */
  readonly read: (follow: boolean, signal: AbortSignal) => AsyncGenerator<ServerLogLine>;
};

/** The log of a container as `query` asks for it the first time. */
export function logSource(
  sessions: SessionHost,
  container: ServerContainer,
  query: Omit<LogQuery, 'follow'>,
): LogSource {
  let position: Position | undefined;
  const about = { server: container.server, generation: container.generation, container: container.id };

  const next = (line: LogLine): Position =>
    position?.time === line.time ? { time: line.time, lines: position.lines + 1 } : { time: line.time, lines: 1 };

  async function* read(follow: boolean, signal: AbortSignal): AsyncGenerator<ServerLogLine> {
    const from = position;
    // The engine counts in milliseconds here: lines of the last one come again, and are left out by their number.
    const wanted: LogQuery =
      from === undefined ? { ...query, follow } : { streams: query.streams, since: { at: from.time }, follow };
    let repeated = from?.lines ?? 0;
    try {
      for await (const line of sessions.readLog(container.id, wanted, { signal })) {
        if (from !== undefined && line.time === from.time && repeated > 0) {
          repeated -= 1;
          continue;
        }
        position = next(line);
        yield { ...line, ...about };
      }
    } catch (error) {
      if (!isFailure(error, 'engine-not-found')) throw error;
    }
  }
  return { container, read };
}
