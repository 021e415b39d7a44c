import { LoomsError, traitsOf } from '../../model/errors.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { Places, Upstream } from '../upstreams.ts';

/** How long new conversations go elsewhere than to a container in which one came to nothing, ms. */
const avoidMs = 30_000;
/** As how many conversations such a one counts meanwhile: more than any has. */
const avoidedLoad = 1_000_000;

/** The processes and connections that a gateway has open with servers, and where they are. */
export type OpenPlaces = {
  /** How many there are with a server, those that are just being opened included. */
  readonly countOf: (server: ServerName) => number;
  /** How many of them are in a container of it, or may be: those of which it is not known yet where they will be. */
  readonly countIn: (server: ServerName, container: ContainerId) => number;
  /**
   * Opens one more, which counts from when it is known where it will be until it is closed; in another container, where the
   * first one has no room or has ended.
   */
  readonly open: (server: ServerName, open: (places: Places) => Promise<Upstream>) => Promise<Upstream>;
};

/** Whether a conversation that could not be begun in one container may well be in another one. */
export const mayGoElsewhere = (error: unknown): error is LoomsError =>
  error instanceof LoomsError &&
  (traitsOf(error.code).retry === 'elsewhere' || error.code === 'server-crowded' || error.code === 'session-failed');

export function createPlaces(): OpenPlaces {
  const sessions = new Map<ContainerId, number>();
  /** Sessions by container, as new conversations are to see them: one that is avoided seems full. */
  const loads = new Map<ContainerId, number>();
  const servers = new Map<ServerName, number>();
  const unplaced = new Map<ServerName, number>();
  const add = <K>(counts: Map<K, number>, key: K, by: number): void => {
    const count = (counts.get(key) ?? 0) + by;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
  };
  const avoid = (container: ContainerId): void => {
    add(loads, container, avoidedLoad);
    setTimeout(() => add(loads, container, -avoidedLoad), avoidMs).unref();
  };
  /** Counts a process or connection that is being opened. */
  const begin = (server: ServerName) => {
    let where: ContainerId | undefined;
    let isOver = false;
    add(servers, server, 1);
    add(unplaced, server, 1);
    return {
      where: () => where,
      took(container: ContainerId): void {
        if (isOver || where !== undefined) return;
        where = container;
        add(unplaced, server, -1);
        for (const counts of [sessions, loads]) add(counts, container, 1);
      },
      left(): void {
        if (isOver) return;
        isOver = true;
        add(servers, server, -1);
        if (where === undefined) add(unplaced, server, -1);
        else for (const counts of [sessions, loads]) add(counts, where, -1);
      },
    };
  };
  return {
    countOf: (server) => servers.get(server) ?? 0,
    countIn: (server, container) => (sessions.get(container) ?? 0) + (unplaced.get(server) ?? 0),
    async open(server, open) {
      let failed: { readonly container: ContainerId; readonly error: LoomsError } | undefined;
      for (;;) {
        const { where, took, left } = begin(server);
        try {
          const upstream = await open({
            sessions: loads,
            took(container) {
              if (container === failed?.container) throw failed.error;
              took(container);
            },
          });
          const { channel, container } = upstream;
          const { close } = channel;
          Object.assign(channel, { close: () => close().finally(left) });
          return { ...upstream, avoid: () => avoid(container) };
        } catch (error) {
          left();
          const container = where();
          if (container === undefined) throw error;
          avoid(container);
          if (failed !== undefined || !mayGoElsewhere(error)) throw error;
          failed = { container, error };
        }
      }
    },
  };
}
