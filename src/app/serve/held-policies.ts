import type { Notice } from '../../model/notices.ts';
import type { Policies } from '../../model/policy.ts';
import { saidOnce } from './said-once.ts';

/** How old the policies may be that a call is held against, ms. */
const oldestMs = 60_000;

type Held = {
  readonly now: () => Promise<Policies>;
  readonly readAnew: () => Promise<void>;
};

type Reading = {
  /** Throws what keeps the policies from being used. */
  readonly read: () => Promise<Policies>;
  readonly monotonicMs: () => number;
  readonly warn: (notice: Notice) => void;
};

/**
 * The policies of a program that runs on, at most a minute old: a file that is changed meanwhile is heard. One that cannot
 * be used is said, once as long as it says the same, and leaves in force what was read last. Does not throw.
 */
export function heldPolicies(first: Policies, { read, monotonicMs, warn }: Reading): Held {
  let held = first;
  let readAt = monotonicMs();
  let reading = Promise.resolve();
  const trouble = saidOnce(({ message, hint }) =>
    warn({ code: 'policies-not-read', message: `${message}; what was read of the policies last stays in force`, hint }),
  );
  const readAnew = async (): Promise<void> => {
    try {
      held = await read();
      trouble.worked();
    } catch (error) {
      trouble.failed(error);
    }
  };
  const begin = (): Promise<void> => {
    readAt = monotonicMs();
    reading = readAnew();
    return reading;
  };
  return {
    readAnew: begin,
    async now() {
      if (monotonicMs() - readAt >= oldestMs) begin();
      await reading;
      return held;
    },
  };
}
