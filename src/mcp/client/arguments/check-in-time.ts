import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LoomsError } from '../../../model/errors.ts';
import { messageOf } from '../../../model/failure.ts';
import { duration } from '../../../model/times.ts';
import type { ArgumentCheck } from './argument-validation.ts';
import type { Schema } from './schema.ts';

/** How long a check may take, ms: an honest schema is done in a tenth of a second. */
const defaultLimitMs = 3_000;
/** How long the thread may take until it begins, ms: nothing of the schema's makes it slow, a busy machine does. */
const beginLimitMs = 30_000;
/** Memory of a check, MiB: a schema can ask for more than there is. */
const memoryMiB = 256;

/** Tells this module apart that it runs as a thread of its own. */
const task = 'looms-check-arguments';

type Task = { readonly task: typeof task; readonly json: string };
/** What the thread says: that all is loaded, and what it found. */
type Message = 'began' | ArgumentCheck;

/**
 * Checks arguments against a tool's schema in a thread that can be ended: a schema is a stranger's text, and a `pattern`
 * like `^(a+)+$` can take longer than anybody lives. What could not be checked in `limitMs` is `unknown`. The thread costs
 * 150 ms, so that a schema without anything that could take long is checked without it.
 * Throws `interrupted` when the signal aborts.
 */
export async function checkInTime(
  schema: Schema,
  args: Readonly<Record<string, unknown>>,
  { signal, limitMs = defaultLimitMs }: { readonly signal?: AbortSignal | undefined; readonly limitMs?: number } = {},
): Promise<ArgumentCheck> {
  if (!mayTakeLong(schema)) return (await import('./argument-validation.ts')).validateArguments(schema, args);
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { task, json: JSON.stringify([schema, args]) } satisfies Task,
    // What a list of threads shows of it.
    name: 'looms-check',
    resourceLimits: { maxOldGenerationSizeMb: memoryMiB },
    // What it would write has no place here, and the program's own flags are not for it.
    stdout: true,
    stderr: true,
    execArgv: [],
  });
  const unknown = (why: string): ArgumentCheck => ({
    valid: 'unknown',
    warning: `the arguments are sent unchecked: the check against the tool's input schema ${why}`,
  });
  const ended = new AbortController();
  try {
    return await new Promise<ArgumentCheck>((resolve, reject) => {
      const stop = () => reject(new LoomsError('interrupted', 'stopped while the arguments were being checked'));
      if (signal?.aborted === true) return stop();
      signal?.addEventListener('abort', stop, { once: true, signal: ended.signal });
      const giveUp = (why: string, afterMs: number): void => {
        const timer = setTimeout(() => resolve(unknown(`${why} more than ${duration(afterMs)}`)), afterMs);
        ended.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      };
      giveUp('waited for its turn for', beginLimitMs);
      worker.on('message', (message: Message) => {
        if (message === 'began') giveUp('takes', limitMs);
        else resolve(message);
      });
      worker.on('error', (error) => resolve(unknown(`failed: ${messageOf(error)}`)));
    });
  } finally {
    ended.abort();
    await worker.terminate();
  }
}

/** Schemas beyond this are long in reading alone, characters. */
const longSchema = 100_000;

/** Whether a schema has patterns, or references, by which it can repeat itself without end. Else its length is its work. */
function mayTakeLong(schema: Schema): boolean {
  const text = JSON.stringify(schema);
  return text.length > longSchema || /"(pattern|patternProperties|\$ref|\$dynamicRef|\$recursiveRef)":/.test(text);
}

/** What the thread does. No module waits for it: one that waits at its top cannot be loaded by those that do not. */
async function answer(json: string): Promise<void> {
  const { validateArguments } = await import('./argument-validation.ts');
  const [schema, args] = JSON.parse(json);
  const tell = (message: Message): void => parentPort?.postMessage(message);
  tell('began');
  tell(validateArguments(schema, args));
}

const given: Partial<Task> | undefined = isMainThread ? undefined : workerData;
if (given?.task === task && given.json !== undefined) void answer(given.json);
