/** One step of a look at a server, in this order. */
export type HealthStep = {
  readonly name: 'engine' | 'container' | 'session' | 'handshake' | 'tools';
  readonly result: 'ok' | 'failed' | 'skipped';
  /** null: it was not taken. */
  readonly milliseconds: number | null;
};

/** Times steps that follow one another: each begins where the one before ended. */
type StepTimer = {
  /** The step that runs is done; the next one begins. */
  readonly done: () => void;
  /** The step that runs failed, if one does; those behind it were not taken. */
  readonly steps: () => readonly HealthStep[];
};

/** A timer over `names`, on a clock in ms. */
export function stepTimer(names: readonly HealthStep['name'][], nowMs: () => number): StepTimer {
  const ended: HealthStep[] = [];
  let began = nowMs();
  const take = (result: 'ok' | 'failed'): void => {
    const name = names[ended.length];
    if (name === undefined) return;
    const now = nowMs();
    ended.push({ name, result, milliseconds: Math.round(now - began) });
    began = now;
  };
  return {
    done: () => take('ok'),
    steps: () => {
      if (ended.every(({ result }) => result === 'ok')) take('failed');
      const rest = names.slice(ended.length);
      return [...ended, ...rest.map((name) => ({ name, result: 'skipped', milliseconds: null }) as const)];
    },
  };
}
