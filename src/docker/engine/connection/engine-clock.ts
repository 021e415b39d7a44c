import type { EngineTime } from '../../../model/observed.ts';
import type { CallOptions } from '../../port.ts';
import { ask } from './ask.ts';
import type { Connection } from './connection.ts';

/** What `GET /info` answers, as far as we read it. */
export type EngineInfo = {
  readonly ID?: string;
  readonly Name?: string;
  /** Where it keeps images and containers. */
  readonly DockerRootDir?: string;
  readonly Driver?: string;
  readonly DriverStatus?: readonly (readonly string[])[] | null;
  readonly SystemTime?: string;
  readonly NCPU?: number;
  readonly MemTotal?: number;
  readonly MemoryLimit?: boolean;
  readonly SwapLimit?: boolean;
  readonly PidsLimit?: boolean;
  readonly CpuCfsQuota?: boolean;
  /** The driver of containers that name none; Podman says nothing. */
  readonly LoggingDriver?: string;
};

/**
 * Milliseconds of an engine's timestamp (RFC 3339 with nanoseconds); 0 for what is none, which is also how the engine
 * writes "never" (year 1).
 */
export function engineTime(text: string | undefined): EngineTime {
  const milliseconds = Date.parse(text ?? '');
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0 : milliseconds;
}

export type InfoReader = {
  /** Asks the engine now. */
  readonly read: (options: CallOptions) => Promise<EngineInfo>;
  /** What it said last; asks when it was never asked. For what does not change while an engine runs. */
  readonly known: (options: CallOptions) => Promise<EngineInfo>;
  /** The engine's clock now: asked once, then carried on by a clock of ours that never jumps. */
  readonly now: (options: CallOptions) => Promise<EngineTime>;
};

/** Reads `/info` and keeps the engine's time. Half of the round trip counts as having passed before the answer. */
export function infoReader(connection: Connection): InfoReader {
  let last: EngineInfo | undefined;
  let clock: { readonly engine: EngineTime; readonly ours: number } | undefined;
  const read = async (options: CallOptions): Promise<EngineInfo> => {
    const before = performance.now();
    const info = await ask<EngineInfo>(connection, 'read its description', { method: 'GET', path: '/info' }, options);
    last = info;
    const ours = (before + performance.now()) / 2;
    const engine = engineTime(info.SystemTime);
    if (engine > 0) clock ??= { engine, ours };
    return info;
  };
  return {
    read,
    known: async (options) => last ?? read(options),
    now: async (options) => {
      if (clock === undefined) await read(options);
      // An engine that tells no time (none known does not) gives us its word that there is only ours.
      const { engine, ours } = clock ?? { engine: Date.now(), ours: performance.now() };
      return Math.round(engine + performance.now() - ours);
    },
  };
}
