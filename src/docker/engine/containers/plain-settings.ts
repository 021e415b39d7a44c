import { shortId } from '../../../model/ids.ts';
import type { ContainerShape } from '../../model/shape.ts';
import type { InspectedContainer } from './inspected.ts';

type Setting<T> = {
  /** Where it stands in the answer of an inspect. In a create call, what is in `Config` there is at the top. */
  readonly of: 'Config' | 'HostConfig';
  readonly key: string;
  /** What a shape says where the engine says nothing. */
  readonly none: T;
  /** What the engine puts there by itself, which is `none` in a shape. */
  readonly own?: (container: InspectedContainer) => T;
};

const setting = <T>(of: Setting<T>['of'], key: string, none: T): Setting<T> => ({ of, key, none });

/** Settings that a create call takes as an inspect answers them, by the field of a shape that they are. */
const settings = {
  user: setting('Config', 'User', ''),
  hostname: { ...setting('Config', 'Hostname', ''), own: ({ Id: id }: InspectedContainer) => shortId(id) },
  workingDir: setting('Config', 'WorkingDir', ''),
  openStdin: setting('Config', 'OpenStdin', false),
  init: setting('HostConfig', 'Init', false),
  readOnlyRoot: setting('HostConfig', 'ReadonlyRootfs', false),
  privileged: setting('HostConfig', 'Privileged', false),
  memoryBytes: setting('HostConfig', 'Memory', 0),
  nanoCpus: setting('HostConfig', 'NanoCpus', 0),
  sysctls: setting<Readonly<Record<string, string>>>('HostConfig', 'Sysctls', {}),
  dns: setting<readonly string[]>('HostConfig', 'Dns', []),
} as const satisfies { readonly [K in keyof ContainerShape]?: Setting<ContainerShape[K]> };

type Plain = Pick<ContainerShape, keyof typeof settings>;

const entries = Object.entries(settings) as readonly (readonly [keyof Plain, Setting<unknown>])[];

/** What a create call says of them, in one of its two places. */
export const writePlain = (shape: Plain, place: Setting<unknown>['of']): Readonly<Record<string, unknown>> =>
  Object.fromEntries(entries.flatMap(([field, { of, key }]) => (of === place ? [[key, shape[field]]] : [])));

/** What a live container has of them. */
export const readPlain = (container: InspectedContainer): Plain =>
  Object.fromEntries(
    entries.map(([field, { of, key, none, own }]) => {
      const value = (container[of] as Readonly<Record<string, unknown>>)[key] ?? none;
      return [field, value === own?.(container) ? none : value];
    }),
  ) as Plain;
