import { expect, test } from 'vitest';
import { demultiplexer } from '../../../../src/docker/engine/exec/demultiplex.ts';

const frame = (stream: number, payload: Buffer): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
};

function collect(chunks: readonly Buffer[]) {
  const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const demux = demultiplexer((stream, piece) => got[stream].push(piece));
  for (const chunk of chunks) demux.feed(chunk);
  return {
    stdout: Buffer.concat(got.stdout),
    stderr: Buffer.concat(got.stderr),
    complete: demux.isComplete(),
  };
}

test('100,000 tiny frames in one chunk are read without recursion', () => {
  const frames = Array.from({ length: 100_000 }, (_, index) => frame(1 + (index % 2), Buffer.from([index % 251])));
  const { stdout, stderr, complete } = collect([Buffer.concat(frames)]);
  expect([stdout.length, stderr.length, complete]).toEqual([50_000, 50_000, true]);
  expect(stdout[1]).toBe(2);
  expect(stderr[1]).toBe(3);
});

test('a stream cut at any byte reads the same', () => {
  const bytes = Buffer.concat([
    frame(1, Buffer.from('first')),
    frame(2, Buffer.from('bad')),
    frame(1, Buffer.from('!')),
  ]);
  for (let at = 0; at <= bytes.length; at += 1) {
    const { stdout, stderr, complete } = collect([bytes.subarray(0, at), bytes.subarray(at)]);
    expect(`${stdout} ${stderr} ${complete}`, `cut at ${at}`).toBe('first! bad true');
  }
  const { stdout, stderr } = collect([...bytes].map((byte) => Buffer.from([byte])));
  expect(`${stdout} ${stderr}`).toBe('first! bad');
});

test('a frame of 20 MB is passed on in pieces without being copied', () => {
  const payload = Buffer.alloc(20 * 1024 * 1024, 7);
  const bytes = frame(1, payload);
  const pieces: Buffer[] = [];
  const demux = demultiplexer((_, piece) => pieces.push(piece));
  for (let at = 0; at < bytes.length; at += 65_536) demux.feed(bytes.subarray(at, at + 65_536));
  expect(Buffer.concat(pieces).equals(payload)).toBe(true);
  expect(pieces.every((piece) => piece.buffer === bytes.buffer)).toBe(true);
});

test('an empty frame and an echo of stdin are read', () => {
  const { stdout, complete } = collect([frame(1, Buffer.alloc(0)), frame(0, Buffer.from('typed'))]);
  expect([stdout.toString(), complete]).toEqual(['typed', true]);
});

test('a stream that stops inside a frame is not complete', () => {
  expect(collect([frame(1, Buffer.from('whole')).subarray(0, 10)]).complete).toBe(false);
  expect(collect([frame(1, Buffer.from('whole')), Buffer.from([1, 0])]).complete).toBe(false);
});

test('bytes without frame headers are an error that says so', () => {
  expect(() => collect([Buffer.from('$ hello from a terminal')])).toThrow(/without frame headers/);
});
