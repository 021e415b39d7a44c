import type { GitSource } from '../../files/port.ts';
import { failureOf } from '../../model/failure.ts';
import type { Ports } from '../ports.ts';
import type { LoopRecord } from './loop-record.ts';
import type { sayOnce } from './say-once.ts';

/** Longest time between two looks at a repository that cannot be followed, ms, and how much of each is left to chance. */
const longestMs = 600_000;
const jitter = 0.1;

/** How long until the next look, ms, after so many failures in a row: doubling, and a fleet does not ask at once. */
export function remotePauseMs(intervalMs: number, failures: number, random: number): number {
  const plain = Math.min(intervalMs * 2 ** Math.min(failures, 20), Math.max(intervalMs, longestMs));
  return Math.round(plain * (1 + jitter * (2 * random - 1)));
}

type Heard = {
  /** Something newer was taken. */
  readonly onChange: () => void;
  readonly onWell: () => void;
  /** It is asked again in so many ms. */
  readonly onTrouble: (error: unknown, nextInMs: number) => void;
};

/** Looks at a repository again and again until the signal aborts. Throws nothing. */
export async function followRemote(
  { pause }: Pick<Ports, 'pause'>,
  remote: GitSource,
  { intervalMs, signal, heard }: { readonly intervalMs: number; readonly signal: AbortSignal; readonly heard: Heard },
): Promise<void> {
  let failures = 0;
  const nextInMs = (): number => remotePauseMs(intervalMs, failures, Math.random());
  while (!signal.aborted) {
    let pauseMs: number;
    try {
      const hasChanged = await remote.look(signal);
      failures = 0;
      pauseMs = nextInMs();
      heard.onWell();
      if (hasChanged) heard.onChange();
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      pauseMs = nextInMs();
      heard.onTrouble(error, pauseMs);
    }
    await pause(pauseMs, signal);
  }
}

type FollowOptions = {
  readonly intervalMs: number;
  readonly stop: AbortSignal;
  readonly record: LoopRecord;
  readonly said: ReturnType<typeof sayOnce>;
  readonly onChange: () => void;
};

/** Follows a repository until `stop` aborts; comes back with that once there is something to begin with. */
export const followSource = (
  ports: Pick<Ports, 'pause'>,
  remote: GitSource,
  { intervalMs, stop, record, said, onChange }: FollowOptions,
): Promise<{ following: Promise<void> }> =>
  new Promise((begin) => {
    const following = followRemote(ports, remote, {
      intervalMs,
      signal: stop,
      heard: {
        onChange,
        onWell: () => {
          record.sourceReached();
          said.back('repository');
          begin({ following });
        },
        onTrouble: (error, nextInMs) => {
          record.sourceAsked(nextInMs);
          said.away('repository', failureOf(error));
          if (remote.held() !== undefined) begin({ following });
        },
      },
    });
    following.then(() => begin({ following }));
  });
