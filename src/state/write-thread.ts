import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { fileOf, type StatePlaces, type StateWrite, type StateWriter, writeFault, writesHere } from './state-writes.ts';

/** Tells this module apart that it runs as a thread of its own. */
const task = 'looms-write-state';

/** How long a program that ends waits for what is still to be written, ms: another one may hold the file. */
const lastWritesMs = 10_000;

type Task = { readonly task: typeof task; readonly places: StatePlaces };
type Request = { readonly id: number; readonly write: StateWrite };
/** What became of a write: why it was not done. */
type Answer = { readonly id: number; readonly fault?: { readonly why: string; readonly hint?: string | undefined } };

/**
 * Writes in a thread of its own, each file in the order in which its writes come: in a program that goes on, calls of
 * clients and the keeping of servers' logs would else wait for one another's disk. The thread starts with the first write,
 * and keeps no program alive but for what it has still to write; `close` waits for that, at most `lastWritesMs`.
 */
export function writesInThread(places: StatePlaces): StateWriter {
  const waiting = new Map<number, { readonly write: StateWrite; readonly settle: (fault?: LoomsError) => void }>();
  let thread: Worker | undefined;
  let last = 0;
  let onEmpty: (() => void)[] = [];
  const settle = (id: number, fault?: LoomsError): void => {
    const one = waiting.get(id);
    waiting.delete(id);
    one?.settle(fault);
    if (waiting.size > 0) return;
    thread?.unref();
    for (const resolve of onEmpty) resolve();
    onEmpty = [];
  };
  const fail = (error: unknown): void => {
    thread = undefined;
    for (const [id, { write }] of [...waiting]) settle(id, writeFault(error, places, write));
  };
  const start = (): Worker => {
    const made = new Worker(new URL(import.meta.url), {
      workerData: { task, places } satisfies Task,
      name: 'looms-state',
      stdout: true,
      stderr: true,
      execArgv: [],
    });
    made.on('message', ({ id, fault }: Answer) =>
      settle(id, fault && new LoomsError('ledger-unreadable', fault.why, hintOf(fault))),
    );
    made.on('error', fail);
    made.on('exit', () => {
      if (thread === made) fail(new Error('what writes it ended'));
    });
    made.unref();
    return made;
  };
  const write: StateWriter['write'] = (one) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { write: one, settle: (fault) => (fault === undefined ? resolve() : reject(fault)) });
      try {
        thread ??= start();
        thread.ref();
        thread.postMessage({ id: last, write: one } satisfies Request);
      } catch (error) {
        settle(last, writeFault(error, places, one));
      }
    });
  return {
    write,
    async leave(one) {
      write(one).catch(() => undefined);
    },
    async close() {
      if (waiting.size === 0) return;
      await new Promise<void>((resolve) => {
        const bound = setTimeout(resolve, lastWritesMs);
        onEmpty.push(() => {
          clearTimeout(bound);
          resolve();
        });
      });
      thread?.unref();
    },
  };
}

const hintOf = ({ hint }: NonNullable<Answer['fault']>) => (hint === undefined ? {} : { hint });

const given: Partial<Task> | undefined = isMainThread ? undefined : workerData;
if (given?.task === task && given.places !== undefined) {
  const { places } = given;
  const { write } = writesHere(places);
  const faultOf = (error: unknown): Answer['fault'] =>
    error instanceof LoomsError ? { why: error.message, hint: error.hint } : { why: messageOf(error) };
  /** One after the other for each file: one that another program holds keeps the other one from nothing. */
  const turns = new Map<string, Promise<void>>();
  parentPort?.on('message', ({ id, write: asked }: Request) => {
    const file = fileOf(places, asked);
    const turn = (turns.get(file) ?? Promise.resolve()).then(async () => {
      const fault = await write(asked).then(() => undefined, faultOf);
      parentPort?.postMessage({ id, ...(fault === undefined ? {} : { fault }) } satisfies Answer);
    });
    turns.set(file, turn);
  });
}
