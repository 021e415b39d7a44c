import { isFailure } from '../../model/errors.ts';
import { type EndingSignal, InterruptedError } from '../errors.ts';
import { exitCodeOfSignal } from '../exit-codes.ts';
import { type Program, thisProgram } from './program.ts';

/** What an interruption asks for, as two steps. */
export type Interruption = {
  /** First signal: start nothing new, let running calls end. */
  readonly stop: AbortSignal;
  /** Second signal, or the time of grace has passed: give up what runs. */
  readonly abort: AbortSignal;
  /** Second signal: stop now. */
  readonly atOnce: AbortSignal;
  /** The first signal that came. */
  readonly received: () => EndingSignal | undefined;
  /** Gives the signals back to Node. */
  readonly dispose: () => void;
};

/** Listens for the signals that end a program: the first asks to stop; the second, or `graceMs`, stops. `onSignal` hears both. */
export function listenForSignals(
  graceMs: number,
  onSignal: (which: 'first' | 'second') => void,
  program: Pick<Program, 'onSignal'> = thisProgram(),
): Interruption {
  const stop = new AbortController();
  const abort = new AbortController();
  const atOnce = new AbortController();
  let received: EndingSignal | undefined;
  let grace: NodeJS.Timeout | undefined;

  const handle = (signal: EndingSignal) => {
    if (received === undefined) {
      received = signal;
      onSignal('first');
      stop.abort();
      grace = setTimeout(() => abort.abort(), graceMs);
      // Waiting out the grace is no reason to stay alive once everything has ended.
      grace.unref();
    } else if (!atOnce.signal.aborted) {
      onSignal('second');
      atOnce.abort();
      abort.abort();
    }
  };
  const stopHearing = program.onSignal(handle);
  return {
    stop: stop.signal,
    abort: abort.signal,
    atOnce: atOnce.signal,
    received: () => received,
    dispose: () => {
      clearTimeout(grace);
      stopHearing();
    },
  };
}

/**
 * Does work that goes on until such a signal, with which it ends as it should: the exit code is the signal's then.
 * Whether one came.
 */
export async function untilSignal(
  work: (stop: AbortSignal) => Promise<void>,
  program: Pick<Program, 'onSignal'> = thisProgram(),
): Promise<boolean> {
  const interruption = listenForSignals(0, () => {}, program);
  try {
    await work(interruption.stop);
  } catch (error) {
    if (!isFailure(error, 'interrupted') || !interruption.stop.aborted) throw error;
  } finally {
    interruption.dispose();
  }
  const signal = interruption.received();
  if (signal !== undefined) process.exitCode = exitCodeOfSignal(signal);
  return signal !== undefined;
}

/** Runs work that the first such signal cancels. Throws `interrupted` after one, whatever the work threw. */
export async function cancelOnSignal<T>(
  program: Pick<Program, 'onSignal'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interruption = listenForSignals(0, () => {}, program);
  try {
    return await work(interruption.stop);
  } catch (error) {
    const signal = interruption.received();
    if (signal === undefined) throw error;
    throw new InterruptedError(signal, error);
  } finally {
    interruption.dispose();
  }
}
