import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogLine, LogQuery } from '../../src/docker/port.ts';
import type { ContainerId } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';

const all: LogQuery = { streams: ['stdout', 'stderr'], follow: false };

describe.skipIf(withoutEngine())('logs on a real engine', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('logs');
  });
  afterAll(() => bench?.close());

  const script = (text: string) => ({ entrypoint: ['sh', '-c', text], command: [] });
  const textsOf = async (id: ContainerId, query: Partial<LogQuery> = {}): Promise<string[]> => {
    const texts: string[] = [];
    for await (const { text } of bench.engine.readLog(id, { ...all, ...query })) texts.push(text);
    return texts;
  };
  const ended = async (id: ContainerId): Promise<void> => {
    await eventually(
      async () => expect(await bench.engine.containerRunning(id)).toMatchObject({ running: false }),
      20_000,
    );
  };

  test('are read whole: both streams, a line of 40,000 characters, the last line without an end', async () => {
    const id = await bench.run(
      'whole',
      script('echo one; echo two >&2; head -c 40000 /dev/zero | tr "\\0" x; echo; printf end'),
    );
    await ended(id);
    const texts = await textsOf(id);
    expect(texts.map((text) => (text.length > 100 ? text.length : text)).sort()).toEqual(
      ['end', 'one', 'two', 40_000].sort(),
    );
    expect(await textsOf(id, { streams: ['stderr'] })).toEqual(['two']);
    expect(await textsOf(id, { tail: 1 })).toEqual(['end']);
    expect(await textsOf(id, { until: { agoMs: 3_600_000 } })).toEqual([]);
    expect(await textsOf(id, { since: { agoMs: 3_600_000 }, streams: ['stderr'] })).toEqual(['two']);
  });

  test('are followed until the container stops, and from a moment on', async () => {
    const id = await bench.run('followed', script('echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two'));
    const lines: LogLine[] = [];
    for await (const line of bench.engine.readLog(id, { ...all, follow: true })) {
      lines.push(line);
      if (line.text === 'one') await bench.exec(id, ['touch', '/tmp/go']);
    }
    expect(lines.map(({ text }) => text)).toEqual(['one', 'two']);
    expect(await textsOf(id, { since: { at: lines[1]?.time ?? 0 } })).toEqual(['two']);
  });

  test('hold the engine up while nobody takes their lines, and cost nothing once nobody wants them', async () => {
    const id = await bench.run('many', script('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done'));
    await ended(id);
    const iterator = bench.engine.readLog(id, all)[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject({ text: 'line 0' });
    await iterator.return?.();
    expect((await textsOf(id)).length).toBe(20_000);
  });

  test('that nobody waits for any more end with "interrupted", and those of a container that is gone with "not found"', async () => {
    const id = await bench.run('idle', script('echo one; exec sleep infinity'));
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of bench.engine.readLog(id, { ...all, follow: true }, { signal: stop.signal })) stop.abort();
    })();
    await expect(reading).rejects.toMatchObject({ code: 'interrupted' });
    await bench.engine.removeContainer(id);
    await expect(textsOf(id)).rejects.toMatchObject({ code: 'engine-not-found' });
  });
});
