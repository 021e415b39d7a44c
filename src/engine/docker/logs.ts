import type { ContainerId } from '../../model/ids.ts';
import type { CallOptions, LogLine } from '../port.ts';
import { askBytes } from './ask.ts';
import type { Connection } from './connection.ts';
import { demultiplexer } from './demultiplex.ts';
import { engineTime } from './engine-clock.ts';

/** Splits what the engine sent for one stream into lines; each begins with a timestamp and a space. */
function linesOf(stream: LogLine['stream'], text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const space = line.indexOf(' ');
      const time = space < 0 ? line : line.slice(0, space);
      return { time: engineTime(time), stream, text: space < 0 ? '' : line.slice(space + 1).replace(/\r$/, '') };
    });
}

/** The lines of a log as the engine sends it with timestamps, oldest first; lines of one millisecond keep their order. */
export function readLog(bytes: Buffer): readonly LogLine[] {
  const lines: LogLine[] = [];
  const pending = { stdout: '', stderr: '' };
  // A frame is a line; one that was cut comes on in pieces of one stream, so lines end where frames say so.
  const demux = demultiplexer((stream, piece) => {
    const text = pending[stream] + piece.toString('utf8');
    const end = text.lastIndexOf('\n') + 1;
    lines.push(...linesOf(stream, text.slice(0, end)));
    pending[stream] = text.slice(end);
  });
  demux.feed(bytes);
  for (const stream of ['stdout', 'stderr'] as const) lines.push(...linesOf(stream, pending[stream]));
  return lines
    .map((line, index) => ({ line, index }))
    .sort((a, b) => a.line.time - b.line.time || a.index - b.index)
    .map(({ line }) => line);
}

/** The last `count` lines of a container's log, both streams, oldest first. Throws `engine-not-found`. */
export async function tailLog(
  connection: Connection,
  id: ContainerId,
  count: number,
  options: CallOptions,
): Promise<readonly LogLine[]> {
  const query = { stdout: 1, stderr: 1, timestamps: 1, tail: count };
  const request = { method: 'GET', path: `/containers/${id}/logs`, query } as const;
  return readLog(await askBytes(connection, `read the log of container ${id.slice(0, 12)}`, request, options));
}
