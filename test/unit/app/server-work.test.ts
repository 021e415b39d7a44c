import { expect, test } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import { followWork, tellWorkSince } from '../../../src/app/talk/server-work.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { MeasuredSpan, Tracing } from '../../../src/model/trail/tracing.ts';
import type { LogLine } from '../../../src/orchestrator/session-host.ts';
import { eventually } from '../../support/eventually.ts';

const of = { server: asServerName('db'), container: asContainerId('c') };
const contextOf = (digit: string) => ({ traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-01` });
const workAt = (startMs: number, more: object = {}): string => {
  const time = new Date(startMs).toISOString();
  return `__LOOM_TRACE__:${JSON.stringify({ name: 'query', start_time: time, end_time: time, trace_id: 'none', ...more })}`;
};

/** A log that is written to by the test, a clock that it sets, and the spans that were told. */
function place() {
  const spans: MeasuredSpan[] = [];
  const clock = { now: 1_000_000 };
  const lines: string[] = [];
  let wake = (): void => {};
  let read = 0;
  const tracing: Tracing = {
    start: () => expect.fail(),
    add: (span) => void spans.push(span),
    close: async () => {},
  };
  async function* readLog(_id: unknown, { follow }: { follow: boolean }, { signal }: { signal: AbortSignal }) {
    for (let next = 0; !signal.aborted; next += 1) {
      read = next;
      while (follow && next >= lines.length && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      const text = lines[next];
      if (text === undefined) return;
      yield { text } as LogLine;
    }
  }
  const ports = {
    orchestrator: async () => ({ sessions: { readLog } }),
    tracing: async () => tracing,
    mask: (text: string) => text.replaceAll('hunter2', '(secret)'),
    now: () => clock.now,
    pause: async () => {},
  } as unknown as Ports;
  const write = (text: string): void => {
    lines.push(text);
    wake();
  };
  /** Waits until all that was written has been dealt with. */
  const allRead = () => eventually(() => expect(read).toBe(lines.length));
  return { ports, tracing, spans, clock, write, allRead };
}

test('a line is part of the one call that it can be about, and of none that began after it', async () => {
  const { ports, tracing, spans, clock, write, allRead } = place();
  const work = followWork(ports, tracing);
  const left = work.opened(of);
  const [ann, bob] = [contextOf('a'), contextOf('b')];
  await work.during(
    of.container,
    () => ann,
    async () => {
      clock.now += 100;
      write(workAt(clock.now));
      await allRead();
    },
  );
  clock.now += 20_000;
  await work.during(
    of.container,
    () => bob,
    async () => {
      write(workAt(clock.now - 20_000));
      write(workAt(clock.now));
      await allRead();
      await work.during(
        of.container,
        () => ann,
        async () => {
          write(workAt(clock.now));
          // It says itself whose it is: somebody else tells of it.
          write(workAt(clock.now, { trace_id: 'c'.repeat(32) }));
          await allRead();
        },
      );
    },
  );
  left();
  // What may be of several calls is told at once, and the others when their call is over. The one of Ann's time has no call any more: what comes late may be anybody's.
  expect(spans.map(({ parent }) => parent)).toEqual([undefined, ann, ann, bob]);
});

test('work within other work hangs below it, in the span that the server was asked in, which is known once it is asked', async () => {
  const { ports, tracing, spans, clock, write, allRead } = place();
  const work = followWork(ports, tracing);
  const left = work.opened(of);
  let within = contextOf('a');
  await work.during(
    of.container,
    () => within,
    async () => {
      within = contextOf('b');
      // What ends first is written first.
      write(workAt(clock.now, { name: 'inner', span_id: 'i', parent_id: 'o' }));
      write(workAt(clock.now, { name: 'outer', span_id: 'o', parent_id: 'nobody tells of it' }));
      await allRead();
    },
  );
  expect(spans).toEqual([]);
  left();
  const [inner, outer] = spans;
  expect(outer).toMatchObject({ name: 'outer', parent: contextOf('b'), id: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(inner?.parent?.traceparent).toBe(`00-${'b'.repeat(32)}-${outer?.id}-01`);
});

test('the same words in two calls of one trace are two spans, and work that says it is within itself hangs below its call', async () => {
  const { ports, tracing, spans, clock, write, allRead } = place();
  const work = followWork(ports, tracing);
  const left = work.opened(of);
  const trace = 'a'.repeat(32);
  const calls = ['b', 'c'].map((digit) => ({ traceparent: `00-${trace}-${digit.repeat(16)}-01` }));
  for (const call of calls) {
    clock.now += 10_000;
    await work.during(
      of.container,
      () => call,
      async () => {
        write(workAt(clock.now, { span_id: '1', parent_id: '3' }));
        write(workAt(clock.now, { span_id: '2', parent_id: '1' }));
        write(workAt(clock.now, { span_id: '3', parent_id: '2' }));
        await allRead();
      },
    );
  }
  left();
  expect(spans.map(({ parent }) => parent)).toEqual(calls.flatMap((call) => [call, call, call]));
  expect(new Set(spans.map(({ id }) => id)).size).toBe(6);
});

test('of a log that others write to as well, a call has what its own process wrote, masked before it is taken apart', async () => {
  const { ports, spans, write } = place();
  const parent = contextOf('a');
  const mine = { trace_id: 'a'.repeat(32), name: `${'x'.repeat(195)}hunter2`, attributes: { hunter2: 1 } };
  for (const line of [workAt(0), workAt(0, { trace_id: 'b'.repeat(32) }), workAt(0, mine), 'text']) write(line);
  await tellWorkSince(ports, of, { since: 0, parent });
  expect(spans).toMatchObject([{ parent, attributes: { '(secret)': 1, 'looms.server': 'db' } }]);
  expect(spans[0]?.name).toBe(`${'x'.repeat(195)}(secr`);
});
