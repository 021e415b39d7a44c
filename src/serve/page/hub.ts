import { randomBytes } from 'node:crypto';
import { LoomsError } from '../../model/errors.ts';
import type { PageSample } from '../../model/page/state.ts';
import type { LifecycleEvent } from '../../model/trail/lifecycle-events.ts';
import type { PageLook, PageSource } from './source.ts';

/** How long what may have changed is gathered before it is looked, ms. */
const gatherMs = 300;
/** How long all goes on when the last one has left, ms: a tab that was hidden comes back. */
const lingerMs = 60_000;
/** After how long something that ended is begun again, ms. */
const againMs = 1_000;
/** What is kept for those who come back, for how long of measurements, ms, and the events that one who is new is shown. */
const mostEntries = 2_000;
const samplesMs = 3_600_000;
const mostEvents = 500;

type Entry =
  | { readonly event: 'sample'; readonly data: PageSample }
  | { readonly event: 'event'; readonly data: LifecycleEvent };
type Kept = Entry & { readonly place: number };

/** What a viewer is told; `id` is where it goes on from. */
export type Viewer = {
  readonly look: (look: PageLook, id: string) => void;
  readonly past: (
    past: { readonly samples: readonly PageSample[]; readonly events: readonly LifecycleEvent[] },
    id: string,
  ) => void;
  readonly entry: (entry: Entry, id: string) => void;
};

/** What is seen once for all who look, and only while somebody does. */
export type Hub = {
  /**
   * Tells a viewer from now on, or from behind the id of what it was told last; what comes back ends that. Throws
   * `interrupted` after `close`.
   */
  readonly join: (viewer: Viewer, after: string | undefined) => Promise<() => void>;
  /** What was seen last; looks where nobody has. */
  readonly seen: () => Promise<PageLook>;
  readonly close: () => void;
};

/** What viewers of the page are told: `source` is looked at and watched for the first of them, and a minute after the last. */
export function createHub(source: PageSource): Hub {
  /** Ids of another run of the gateway are not known in this one. */
  const run = randomBytes(6).toString('hex');
  const viewers = new Set<Viewer>();
  let joining = 0;
  let kept: Kept[] = [];
  let place = 0;
  /** Behind which place nothing is missing. */
  let whole = 0;
  let latest: PageLook | undefined;
  let watching: AbortController | undefined;
  let lingering: NodeJS.Timeout | undefined;
  let gathering: NodeJS.Timeout | undefined;
  let looking: Promise<PageLook> | undefined;
  let isStale = false;
  let isClosed = false;
  const idOf = (at: number): string => `${run}-${at}`;

  const look = async (): Promise<PageLook> => {
    isStale = false;
    const by = watching;
    const found = await source.look();
    // What was seen before the watch ended is of no use to a later one: what changed in between was not heard.
    if (by !== watching) return found;
    latest = found;
    for (const viewer of viewers) viewer.look(found, idOf(place));
    return found;
  };
  const lookNow = (): Promise<PageLook> => {
    if (looking !== undefined) return looking;
    const own = look().finally(() => {
      if (looking !== own) return;
      looking = undefined;
      if (isStale) onChange();
    });
    looking = own;
    return own;
  };
  const onChange = (): void => {
    isStale = true;
    if (looking !== undefined || gathering !== undefined) return;
    gathering = setTimeout(() => {
      gathering = undefined;
      if (watching !== undefined) void lookNow();
    }, gatherMs);
    gathering.unref();
  };
  /** Measurements are of all servers: they take the room of thousands of events. `before` is in ms since 1970. */
  const forgetSamples = (before: number): void => {
    const isOld = (one: Kept): boolean => one.event === 'sample' && Date.parse(one.data.at) < before;
    const last = kept.findLast(isOld);
    if (last === undefined) return;
    kept = kept.filter((one) => !isOld(one));
    whole = Math.max(whole, last.place);
  };
  const keep = (entry: Entry): void => {
    place += 1;
    kept.push({ ...entry, place });
    if (entry.event === 'sample') forgetSamples(Date.parse(entry.data.at) - samplesMs);
    if (kept.length > mostEntries) {
      kept = kept.slice(-mostEntries);
      whole = Math.max(whole, (kept[0]?.place ?? 1) - 1);
    }
    for (const viewer of viewers) viewer.entry(entry, idOf(place));
  };
  const watch = async (signal: AbortSignal): Promise<void> => {
    const hear = {
      onChange,
      onSample(data: PageSample): void {
        keep({ event: 'sample', data });
        onChange();
      },
      onEvent(data: LifecycleEvent): void {
        // Begun again, it tells of the last hour once more.
        if (kept.some((one) => one.event === 'event' && one.data.id === data.id)) return;
        keep({ event: 'event', data });
        onChange();
      },
    };
    while (!signal.aborted) {
      await source.watch(hear, signal);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(go, againMs);
        function go(): void {
          clearTimeout(timer);
          signal.removeEventListener('abort', go);
          resolve();
        }
        if (signal.aborted) go();
        else signal.addEventListener('abort', go, { once: true });
      });
    }
  };
  const begin = (): void => {
    clearTimeout(lingering);
    if (watching !== undefined) return;
    watching = new AbortController();
    void watch(watching.signal);
  };
  const stop = (): void => {
    clearTimeout(lingering);
    clearTimeout(gathering);
    gathering = undefined;
    watching?.abort();
    watching = undefined;
    looking = undefined;
    latest = undefined;
    kept = [];
    whole = place;
  };
  const leave = (): void => {
    if (viewers.size > 0 || joining > 0) return;
    clearTimeout(lingering);
    lingering = setTimeout(stop, lingerMs);
    lingering.unref();
  };
  /** The place that an id names, where all behind it is kept. */
  const placeOf = (id: string | undefined): number | undefined => {
    const at = id?.startsWith(`${run}-`) ? Number(id.slice(run.length + 1)) : Number.NaN;
    return Number.isInteger(at) && at >= whole && at <= place ? at : undefined;
  };

  return {
    async join(viewer, after) {
      if (isClosed) throw new LoomsError('interrupted', 'the gateway ends');
      joining += 1;
      try {
        begin();
        const found = latest ?? (await lookNow());
        viewer.look(found, idOf(place));
      } catch (error) {
        joining -= 1;
        leave();
        throw error;
      }
      joining -= 1;
      const from = placeOf(after);
      if (from === undefined) {
        const events = kept.flatMap((one) => (one.event === 'event' ? [one.data] : [])).slice(-mostEvents);
        viewer.past({ samples: source.samples(), events }, idOf(place));
      } else {
        for (const { place: at, ...entry } of kept) if (at > from) viewer.entry(entry, idOf(at));
      }
      viewers.add(viewer);
      return () => {
        viewers.delete(viewer);
        leave();
      };
    },
    seen: async () => latest ?? (await source.look()),
    close() {
      isClosed = true;
      stop();
    },
  };
}
