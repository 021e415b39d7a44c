import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { Places, Upstream } from '../upstreams.ts';

/** The processes and connections that a gateway has open with servers, and where they are. */
export type OpenPlaces = {
  /** How many there are with a server, those that are just being opened included. */
  readonly countOf: (server: ServerName) => number;
  /** Opens one more, which counts from when it is known where it will be until it is closed. */
  readonly open: (server: ServerName, open: (places: Places) => Promise<Upstream>) => Promise<Upstream>;
};

export function createPlaces(): OpenPlaces {
  const sessions = new Map<ContainerId, number>();
  const servers = new Map<ServerName, number>();
  const add = <K>(counts: Map<K, number>, key: K, by: 1 | -1): void => {
    const count = (counts.get(key) ?? 0) + by;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
  };
  return {
    countOf: (server) => servers.get(server) ?? 0,
    async open(server, open) {
      let where: ContainerId | undefined;
      let isOver = false;
      add(servers, server, 1);
      const left = (): void => {
        if (isOver) return;
        isOver = true;
        add(servers, server, -1);
        if (where !== undefined) add(sessions, where, -1);
      };
      const took = (container: ContainerId): void => {
        if (isOver || where !== undefined) return;
        where = container;
        add(sessions, container, 1);
      };
      try {
        const upstream = await open({ sessions, took });
        const { channel } = upstream;
        const { close } = channel;
        Object.assign(channel, { close: () => close().finally(left) });
        return upstream;
      } catch (error) {
        left();
        throw error;
      }
    },
  };
}
