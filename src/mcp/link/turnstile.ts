/** Lets a few pieces of work run at once, and says when it is worth bringing more. */
type Turnstile = {
  readonly pass: <T>(work: () => Promise<T>) => Promise<T>;
  /** Resolves when nobody waits. */
  readonly idle: () => Promise<void>;
};

export function createTurnstile(width: number): Turnstile {
  const waiting: (() => void)[] = [];
  let idlers: (() => void)[] = [];
  let running = 0;

  const next = () => {
    const first = waiting.shift();
    // Whoever waited takes the place over.
    if (first === undefined) running -= 1;
    else first();
    if (waiting.length > 0) return;
    for (const go of idlers) go();
    idlers = [];
  };

  return {
    async pass(work) {
      if (running < width) running += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        next();
      }
    },
    idle: () => (waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  };
}
