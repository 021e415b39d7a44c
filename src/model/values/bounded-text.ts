/** All that a stream says; undefined where that is more than so many bytes, of which the rest is not read. */
export async function boundedText(stream: AsyncIterable<unknown>, mostBytes: number): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream) {
    const bytes = Buffer.from(piece as Uint8Array | string);
    length += bytes.length;
    if (length > mostBytes) return undefined;
    pieces.push(bytes);
  }
  return Buffer.concat(pieces).toString('utf8');
}
