import type { DesiredServer } from '../../../model/desired.ts';
import type { SingleDescription } from '../../../model/engine.ts';
import type { ServerView } from '../../../model/server-view.ts';
import type { Inside, InsideFile } from './read-inside.ts';

/** What one promise is, and whether each of both says that it is kept. */
export type Looked = {
  readonly promise: string;
  readonly spec: string;
  readonly engine: readonly [text: string, kept: boolean];
  readonly inside: Inner;
  /** Whether this engine cannot give it; what else was promised with it is kept then. */
  readonly engineLacksIt?: boolean;
};

/** What was read inside. `not-asked`: only the engine can tell. undefined: it could not be read. */
export type Inner = readonly [text: string, kept: boolean | undefined] | 'not-asked' | undefined;

export type SecurityModule = 'seccomp' | 'apparmor';

export type Look = {
  readonly spec: DesiredServer;
  readonly view: ServerView;
  readonly engine: SingleDescription;
  readonly inside: Inside | undefined;
};

export const orNone = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));
export const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

/** A field of `/proc/PID/status`. */
export const statusField = (inside: Inside, process: '1' | 'self', field: string): string | undefined =>
  inside
    .lines(`/proc/${process}/status`)
    .find((line) => line.startsWith(`${field}:`))
    ?.slice(field.length + 1)
    .trim()
    .replaceAll(/\s+/g, ' ');

/** What the first process and one like a session's say, once where they agree. */
export function ofBoth<T>(
  inside: Inside | undefined,
  read: (process: '1' | 'self') => T | undefined,
): readonly T[] | undefined {
  if (inside === undefined) return undefined;
  const both = [read('1'), read('self')].filter((one) => one !== undefined);
  return both.length === 2 ? both.filter((one, index) => index === 0 || one !== both[0]) : undefined;
}

export const first = (inside: Inside | undefined, ...files: readonly InsideFile[]): string | undefined =>
  files.map((file) => inside?.lines(file)[0]?.trim()).find((line) => line !== undefined && line !== '');
