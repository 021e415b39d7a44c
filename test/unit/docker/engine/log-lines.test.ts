import { expect, test } from 'vitest';
import { logParser } from '../../../../src/docker/engine/logs/log-lines.ts';
import type { LogLine } from '../../../../src/docker/port.ts';

const time = '2026-01-01T00:00:01.123456789Z';
const frame = (stream: number, text: string | Buffer): Buffer => {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
};

function parse(chunks: readonly Buffer[]): readonly LogLine[] {
  const parser = logParser();
  return [...chunks.flatMap((chunk) => parser.feed(chunk)), ...parser.end()];
}

test('a line that the engine cut into frames is one line with one time', () => {
  const lines = parse([
    frame(1, `${time} ${'x'.repeat(16)}`),
    frame(2, `${time} between\n`),
    frame(1, `${time} ${'y'.repeat(4)}\n`),
  ]);
  expect(lines.map(({ stream, text }) => `${stream}:${text}`)).toEqual([
    'stderr:between',
    `stdout:${'x'.repeat(16)}yyyy`,
  ]);
  expect(lines[1]?.time).toBe(Date.parse('2026-01-01T00:00:01.123Z'));
});

test('bytes cut anywhere read the same, also within a character', () => {
  const bytes = Buffer.concat([frame(1, `${time} ä→🧵\r\n`), frame(2, `${time} \n`), frame(1, `${time} no end`)]);
  const whole = parse([bytes]);
  expect(whole.map(({ text }) => text)).toEqual(['ä→🧵', '', 'no end']);
  expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
});

test('a line without end becomes several instead of filling the memory', () => {
  const part = frame(1, `${time} ${'z'.repeat(600_000)}`);
  const lines = parse([part, part, frame(1, `${time} end\n`)]);
  expect(lines.map(({ text }) => text.length)).toEqual([1_200_000, 3]);
  expect(new Set(lines.map((line) => line.time)).size).toBe(1);
});
