import type { Leg } from './leg.ts';
import type { Upstreams } from './upstreams.ts';

/** How often is looked which container serves, ms. */
const lookEveryMs = 1_000;

/**
 * Leads conversations to the container that serves by now, until what comes back is called. `meanwhile` is done before each
 * look; a look that takes long holds up the next one.
 */
export function followServing(
  upstreams: Upstreams,
  legs: () => readonly Pick<Leg, 'server' | 'follow'>[],
  meanwhile: () => void,
): () => void {
  let isOver = false;
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    meanwhile();
    const byServer = Map.groupBy(legs(), ({ server }) => server);
    await Promise.all(
      [...byServer].map(async ([server, its]) => {
        const container = await upstreams.serving(server);
        if (container !== undefined) await Promise.all(its.map((leg) => leg.follow(container)));
      }),
    );
  };
  const lookAgain = (): void => {
    if (isOver) return;
    timer = setTimeout(() => look().finally(lookAgain), lookEveryMs);
    timer.unref();
  };
  lookAgain();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
