import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { type StatePlaces, type StateWrite, type StateWriter, writesHere } from './state-writes.ts';

/** Tells this module apart that it runs as a thread of its own. */
const task = 'looms-write-state';

type Task = { readonly task: typeof task; readonly places: StatePlaces };
type Request = { readonly id: number; readonly write: StateWrite };
/** What became of a write: why it was not done. */
type Answer = { readonly id: number; readonly fault?: { readonly why: string; readonly hint?: string | undefined } };

/**
 * Writes in a thread of its own, in the order in which they come: in a program that goes on, calls of clients and the
 * keeping of servers' logs would else wait for one another's disk. The thread starts with the first write, and keeps no
 * program alive but for what it has still to write.
 */
export function writesInThread(places: StatePlaces): StateWriter {
  const waiting = new Map<number, (fault: Answer['fault']) => void>();
  let thread: Worker | undefined;
  let last = 0;
  const settle = (id: number, fault: Answer['fault']): void => {
    const answer = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) thread?.unref();
    answer?.(fault);
  };
  const fail = (why: string): void => {
    thread = undefined;
    for (const id of [...waiting.keys()]) settle(id, { why });
  };
  const start = (): Worker => {
    const made = new Worker(new URL(import.meta.url), {
      workerData: { task, places } satisfies Task,
      name: 'looms-state',
      stdout: true,
      stderr: true,
      execArgv: [],
    });
    made.on('message', ({ id, fault }: Answer) => settle(id, fault));
    made.on('error', (error) => fail(messageOf(error)));
    made.on('exit', () => {
      if (thread === made) fail('what writes it ended');
    });
    return made;
  };
  return (write) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, (fault) => {
        if (fault === undefined) resolve();
        else
          reject(new LoomsError('ledger-unreadable', fault.why, fault.hint === undefined ? {} : { hint: fault.hint }));
      });
      thread ??= start();
      thread.ref();
      thread.postMessage({ id: last, write } satisfies Request);
    });
}

const given: Partial<Task> | undefined = isMainThread ? undefined : workerData;
if (given?.task === task && given.places !== undefined) {
  const write = writesHere(given.places);
  const faultOf = (error: unknown): Answer['fault'] =>
    error instanceof LoomsError ? { why: error.message, hint: error.hint } : { why: messageOf(error) };
  let turn = Promise.resolve();
  parentPort?.on('message', ({ id, write: asked }: Request) => {
    turn = turn.then(async () => {
      const fault = await write(asked).then(() => undefined, faultOf);
      parentPort?.postMessage({ id, ...(fault === undefined ? {} : { fault }) } satisfies Answer);
    });
  });
}
