import { type DesiredServer, type Env, usualWorkingDir } from '../desired.ts';

/** Where programs of a user without an entry in `/etc/passwd` look for their files; the root may be read-only. */
export const usualHome: Env = { HOME: { kind: 'literal', value: '/tmp' } };

/** The working directory of a server whose spec names none, as far as no image is asked: images that looms builds from packages have none. */
export const builtDirOf = ({ image, workingDir }: DesiredServer): string | undefined =>
  workingDir === undefined && (image.kind === 'node' || image.kind === 'python') ? usualWorkingDir : undefined;
