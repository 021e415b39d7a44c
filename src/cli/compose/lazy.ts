/** Evaluates once, on first use, for all who ask. What failed or does not last is evaluated again later. */
export function once<T>(make: () => Promise<T>, lasts: (value: T) => boolean = () => true): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    if (made !== undefined) return made;
    const making = make();
    made = making;
    const forget = () => {
      made = undefined;
    };
    making.then((value) => lasts(value) || forget(), forget);
    return making;
  };
}

type Asked = Promise<unknown> | AsyncIterable<unknown>;

/** Calls of a port whose adapter is loaded by the first of them. What one answers is waited for, or gone through. */
export const lazily = <T extends Readonly<Record<string, (...args: never[]) => Asked>>>(make: () => Promise<T>): T =>
  new Proxy({} as T, {
    get:
      (_, name: string) =>
      (...args: never[]) => {
        const answer = make().then((port) => port[name]?.(...args));
        answer.catch(() => {}); // Whoever waits for it, or goes through it, hears of it.
        const each = async function* () {
          yield* (await answer) as AsyncIterable<unknown>;
        };
        return Object.assign(answer, { [Symbol.asyncIterator]: each });
      },
  });
