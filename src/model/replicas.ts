import type { DesiredServer, Scale } from './desired.ts';
import type { ContainerId } from './ids.ts';
import type { FieldDifference } from './plan.ts';

/** How many there are at least and at most; the same where it is always one number. */
export type Bounds = { readonly least: number; readonly most: number };

/** Sessions that whoever asks for fewer containers has in them itself, as they are just then. */
export type OwnSessions = {
  /** Those in one, with each that is perhaps just being opened there; and those of them that it can do without for a while. */
  readonly countIn: (container: ContainerId) => { readonly all: number; readonly idle: number };
  /** Ends those that it can do without in these, of which nothing else is known to keep them. */
  readonly endIdle: (containers: readonly ContainerId[]) => Promise<void>;
};

/** Another number of containers of a server whose spec lets that follow its sessions (`mcp_server.scale`). */
export type Scaling =
  /** At least so many. */
  | { readonly kind: 'up'; readonly to: number }
  /** So many, but as many as have sessions, and as its sessions need: those without one end, and no session does. */
  | { readonly kind: 'down'; readonly to: number; readonly own?: OwnSessions };

type Counted = Pick<DesiredServer, 'replicas' | 'scale'>;

/** How many containers of a server that is enabled there may be. */
export const boundsOf = ({ replicas, scale }: Counted): Bounds =>
  scale === undefined ? { least: replicas, most: replicas } : { least: scale.min, most: scale.max };

/** The same while one has to serve, as nothing that has no container passes a gate. */
export const awakeBounds = (counted: Counted): Bounds => {
  const { least, most } = boundsOf(counted);
  return { least: Math.max(1, least), most };
};

/** The count within bounds that is nearest to another one. */
export const within = ({ least, most }: Bounds, count: number): number => Math.min(most, Math.max(least, count));

/** Bounds for people: `3`, `0 to 5`. */
export const boundsText = ({ least, most }: Bounds): string => (least === most ? String(least) : `${least} to ${most}`);

/** What one container is for a spec that may ask for more. */
export const isOneContainer = (counted: Counted): boolean => {
  const { least, most } = boundsOf(counted);
  return least === 1 && most === 1;
};

/** Where a spec says how many containers there are. */
export const countedBy = ({ scale }: Counted): string =>
  scale === undefined ? 'mcp_server.replicas' : 'mcp_server.scale';

const written: { readonly [Key in keyof Scale]: string } = {
  min: 'min',
  max: 'max',
  sessionsPerReplica: 'sessions_per_replica',
  idleSeconds: 'idle_seconds',
};

const entriesOf = ({ replicas, scale }: Counted): readonly (readonly [path: string, value: string])[] =>
  scale === undefined
    ? [['mcp_server.replicas', String(replicas)]]
    : Object.entries(written).map(([key, path]) => [`mcp_server.scale.${path}`, String(scale[key as keyof Scale])]);

/** In which fields that count containers two specs differ, as a user wrote them. */
export function compareCounts(before: Counted, after: Counted): readonly FieldDifference[] {
  const [from, to] = [new Map(entriesOf(before)), new Map(entriesOf(after))];
  return [...new Set([...from.keys(), ...to.keys()])].flatMap((path) => {
    const [was, is] = [from.get(path) ?? 'none', to.get(path) ?? 'none'];
    return was === is ? [] : [{ path, from: was, to: is }];
  });
}
