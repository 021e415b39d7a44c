import { useEffect, useState } from 'preact/hooks';
import { usePage } from '../state/store.ts';
import type { Refusal } from '../talk/request.ts';

/** What the gateway answered to a question that a view asks: what it said last stays until it says something else. */
export type Asked<T> = {
  readonly value: T | undefined;
  readonly refusal: Refusal | undefined;
  readonly again: () => void;
};

/** Asks for `path` when a view is first shown, and once more whenever `key` changes. */
export function useAsked<T>(path: string, key: string): Asked<T> {
  const { gateway } = usePage();
  const [turn, setTurn] = useState(0);
  const [found, setFound] = useState<{ readonly path: string; readonly value?: T; readonly refusal?: Refusal }>({
    path,
  });
  useEffect(() => {
    const controller = new AbortController();
    void gateway.ask<T>('GET', path, undefined, { signal: controller.signal }).then((answer) => {
      if (controller.signal.aborted) return;
      setFound(answer.done ? { path, value: answer.value } : { path, refusal: answer.refusal });
    });
    return () => controller.abort();
  }, [gateway, path, key, turn]);
  const isOfPath = found.path === path;
  return {
    value: isOfPath ? found.value : undefined,
    refusal: isOfPath ? found.refusal : undefined,
    again: () => setTurn(turn + 1),
  };
}
