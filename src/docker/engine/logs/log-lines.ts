import type { LogLine } from '../../port.ts';
import { engineTime } from '../connection/engine-clock.ts';
import { demultiplexer } from '../exec/demultiplex.ts';

/** Takes the bytes of a log that was asked for with timestamps. */
type LogParser = {
  /** Feeds a chunk, cut anywhere, and returns the lines that it finished, in the order of the bytes. */
  readonly feed: (chunk: Buffer) => readonly LogLine[];
  /** What is left of lines that were not ended. */
  readonly end: () => readonly LogLine[];
};

/** Longest piece of a line that is kept before it counts as a line of its own, bytes: a log need not have line ends. */
const longestLine = 1024 * 1024;

const space = 0x20;
const newline = 0x0a;

/** A line of one stream while its bytes come in. */
type Pending = {
  /** Whether what comes next is a timestamp and the space behind it. */
  inTime: boolean;
  time: string;
  /** The first timestamp of this line. */
  lineTime: string | undefined;
  parts: Buffer[];
  bytes: number;
};

const fresh = (): Pending => ({ inTime: true, time: '', lineTime: undefined, parts: [], bytes: 0 });

/** Parses lines with timestamps. Of a line of several frames (over 16 KiB) only the first frame's one is its own. */
export function logParser(): LogParser {
  const pending = { stdout: fresh(), stderr: fresh() };
  let lines: LogLine[] = [];

  const finish = (stream: LogLine['stream']): void => {
    const { lineTime, parts } = pending[stream];
    const text = Buffer.concat(parts).toString('utf8').replace(/\r$/, '');
    lines.push({ time: engineTime(lineTime), stream, text });
    pending[stream] = fresh();
  };

  const demux = demultiplexer((stream, piece, beginsFrame) => {
    if (beginsFrame) Object.assign(pending[stream], { inTime: true, time: '' });
    for (let at = 0; at < piece.length; ) {
      const line = pending[stream];
      const found = piece.indexOf(line.inTime ? space : newline, at);
      const end = found < 0 ? piece.length : found;
      const part = piece.subarray(at, end);
      at = end + 1;
      if (line.inTime) {
        line.time += part.toString('latin1');
        if (found < 0) continue;
        line.inTime = false;
        line.lineTime ??= line.time;
        continue;
      }
      line.parts.push(part);
      line.bytes += part.length;
      if (found >= 0) finish(stream);
      else if (line.bytes >= longestLine) {
        const { lineTime } = line;
        finish(stream);
        Object.assign(pending[stream], { inTime: false, lineTime });
      }
    }
  });

  const taken = (): readonly LogLine[] => {
    const finished = lines;
    lines = [];
    return finished;
  };
  return {
    feed: (chunk) => {
      demux.feed(chunk);
      return taken();
    },
    end: () => {
      for (const stream of ['stdout', 'stderr'] as const) if (pending[stream].bytes > 0) finish(stream);
      return taken();
    },
  };
}
