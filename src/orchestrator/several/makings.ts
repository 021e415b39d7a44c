import type { ExecutionEvent } from '../../model/events.ts';
import type { ServerName, StepId } from '../../model/ids.ts';
import { leaves, makingOf, type Part, stepIdOn } from './merge.ts';
import type { Placed } from './place.ts';

/** A promise with what settles it. */
export type Deferred<T> = ReturnType<typeof Promise.withResolvers<T>>;

export const deferred = <T>(): Deferred<T> => {
  const made = Promise.withResolvers<T>();
  // A rejection is told to whoever waits; where nobody does any more, it is no failure of its own.
  made.promise.catch(() => {});
  return made;
};

/** Hears of the steps that make a server elsewhere, until all are done or one is not. */
type Making = { readonly open: Set<StepId>; readonly end: Deferred<boolean> };

export type Makings = ReturnType<typeof createMakings>;

/** What of servers that go from one engine to another is done where they shall be. */
export function createMakings(placed: Placed) {
  const makings = new Map<ServerName, Making>();
  for (const server of [...placed.leaving.values()].flat()) makings.set(server, { open: new Set(), end: deferred() });
  return {
    /** Each plan as it was made under its lock. */
    begin(parts: readonly Part[]): void {
      for (const { engine, prepared } of parts) {
        for (const change of prepared.plan.changes) {
          const making = leaves(placed, engine, change.server) ? undefined : makings.get(change.server);
          if (making === undefined) continue;
          for (const id of makingOf(prepared.plan, change.server)) making.open.add(stepIdOn(engine, id));
          if (change.action === 'blocked') making.end.resolve(false);
          else if (making.open.size === 0) making.end.resolve(true);
        }
      }
    },
    hear(event: ExecutionEvent): void {
      if (event.type !== 'step-ended' || event.step.server === undefined) return;
      const making = makings.get(event.step.server);
      if (making === undefined || !making.open.delete(event.step.id)) return;
      if (event.result.result !== 'ok') making.end.resolve(false);
      else if (making.open.size === 0) making.end.resolve(true);
    },
    /** No step of the engine will end any more. */
    ended(engine: string): void {
      for (const [server, { end }] of makings) {
        const placing = placed.placings.get(server);
        if (placing?.kind === 'on' && placing.engine === engine) end.resolve(false);
      }
    },
    awaited: (engine: string) => (server: ServerName) =>
      leaves(placed, engine, server) ? makings.get(server)?.end.promise : undefined,
  };
}
