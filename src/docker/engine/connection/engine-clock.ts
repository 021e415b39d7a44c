import type { EngineTime } from '../../../model/engine.ts';
import type { CallOptions } from '../../port.ts';
import type { EngineInfo, InfoReader } from './connection.ts';

/** Milliseconds of an engine's timestamp (RFC 3339 with nanoseconds); 0 for none, and for its "never" (year 1). */
export function engineTime(text: string | undefined): EngineTime {
  const milliseconds = Date.parse(text ?? '');
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0 : milliseconds;
}

/** Two clocks of this machine, ms: one that never jumps but may stand still in a suspend, and the one people set. */
type OurClocks = { readonly steady: () => number; readonly wall: () => number };

/** How far two clocks may part before a time that was carried on counts as wrong, ms. */
const mostPartedMs = 1_000;

type Reading = { readonly engine: EngineTime; readonly steady: number; readonly wall: number };

/** Whether the engine's clock did not go on as ours did: it was set, or the engine's machine slept. */
const hasParted = (earlier: Reading, now: Reading, uncertainty: number): boolean =>
  Math.abs(now.engine - earlier.engine - (now.steady - earlier.steady)) > mostPartedMs + uncertainty;

/**
 * Keeps what `ask` says of the engine, and its time; half of the round trip counts as having passed before the answer.
 * The time that was read first stays, so that moments of one run compare, until a clock says that it no longer holds.
 */
export function infoReader(
  ask: (options: CallOptions) => Promise<EngineInfo>,
  ours: OurClocks = { steady: () => performance.now(), wall: () => Date.now() },
): InfoReader {
  let last: EngineInfo | undefined;
  let clock: Reading | undefined;
  // One of ours was set, or this machine slept.
  const isBroken = ({ steady, wall }: Reading): boolean =>
    Math.abs(ours.wall() - wall - (ours.steady() - steady)) > mostPartedMs;
  const read = async (options: CallOptions): Promise<EngineInfo> => {
    const before = ours.steady();
    const info = await ask(options);
    last = info;
    const after = ours.steady();
    const engine = engineTime(info.SystemTime);
    const half = (after - before) / 2;
    const reading = { engine, steady: before + half, wall: ours.wall() - half };
    if (engine > 0 && (clock === undefined || isBroken(clock) || hasParted(clock, reading, half))) clock = reading;
    return info;
  };
  return {
    read,
    known: async (options) => last ?? read(options),
    now: async (options) => {
      if (clock === undefined || isBroken(clock)) await read(options);
      // An engine that tells no time (none known does not): there is only ours.
      const { engine, steady } = clock ?? { engine: ours.wall(), steady: ours.steady() };
      return Math.round(engine + ours.steady() - steady);
    },
    forget: () => {
      last = undefined;
      clock = undefined;
    },
  };
}
