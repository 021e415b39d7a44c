import { LoomsError } from '../../../model/errors.ts';

/**
 * Takes the bytes of a multiplexed stream (exec, attach, logs without a terminal): frames of an 8-byte header (stream
 * 0–2, three zeros, length as uint32 big-endian) and that many bytes.
 */
type Demultiplexer = {
  /**
   * Feeds a chunk, cut anywhere. Payload is passed on at once, in pieces that are views of the chunk, so a frame of any
   * size needs no memory. Throws `session-failed` when the bytes are no such stream.
   */
  readonly feed: (chunk: Buffer) => void;
  /** Whether the bytes so far ended with a whole frame. */
  readonly isComplete: () => boolean;
};

const headerLength = 8;

/** Hands each piece of payload on, with whether it begins a frame; stream 0, an echo of stdin, counts as stdout. */
export function demultiplexer(
  onPiece: (stream: 'stdout' | 'stderr', piece: Buffer, beginsFrame: boolean) => void,
): Demultiplexer {
  const header = Buffer.alloc(headerLength);
  let headerFilled = 0;
  let payloadLeft = 0;
  let stream: 'stdout' | 'stderr' = 'stdout';
  let beginsFrame = false;

  const readHeader = (): void => {
    const kind = header[0] ?? 0xff;
    if (kind > 2 || header[1] !== 0 || header[2] !== 0 || header[3] !== 0) {
      throw new LoomsError('session-failed', 'the engine sent a stream without frame headers', {
        hint: 'a container made by hand with a terminal (-t) mixes its streams: make it again with looms',
      });
    }
    stream = kind === 2 ? 'stderr' : 'stdout';
    payloadLeft = header.readUInt32BE(4);
    headerFilled = 0;
    beginsFrame = true;
  };

  const feed = (chunk: Buffer): void => {
    let at = 0;
    while (at < chunk.length) {
      if (payloadLeft > 0) {
        const end = Math.min(at + payloadLeft, chunk.length);
        onPiece(stream, chunk.subarray(at, end), beginsFrame);
        beginsFrame = false;
        payloadLeft -= end - at;
        at = end;
        continue;
      }
      const end = Math.min(at + headerLength - headerFilled, chunk.length);
      chunk.copy(header, headerFilled, at, end);
      headerFilled += end - at;
      at = end;
      if (headerFilled === headerLength) readHeader();
    }
  };
  return { feed, isComplete: () => payloadLeft === 0 && headerFilled === 0 };
}
