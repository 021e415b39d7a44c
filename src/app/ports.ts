import type { Engine } from '../engine/port.ts';
import type { SessionSource } from '../mcp/session.ts';
import type { SecretStore } from '../secrets/provider.ts';

/** Everything with effects that a use case needs; made in one place by the command line, faked in tests. */
export type Ports = {
  /** Connects on the first call; throws `engine-unreachable`. The same engine every time. */
  readonly engine: () => Promise<Engine>;
  readonly openSession: () => Promise<SessionSource>;
  readonly secrets: SecretStore;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly workingDirectory: string;
  readonly readStdin: () => Promise<string>;
  /** Milliseconds of a clock that never goes back, for durations. */
  readonly monotonicMs: () => number;
  readonly whoAmI: { readonly user: string; readonly host: string; readonly pid: number; readonly command: string };
};
