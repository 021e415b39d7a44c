import { LoomsError } from '../../model/errors.ts';
import type { TmpfsMount } from '../../model/shape.ts';

const units: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A size as mount(8) takes it: digits and an optional k, m or g; 0 where it is something else (`50%`). */
function sizeOf(text: string | undefined): number {
  const match = /^(\d+)([kmg]?)$/i.exec(text ?? '');
  return match === null ? 0 : Number(match[1]) * (units[(match[2] ?? '').toLowerCase()] ?? 1);
}

/** Without a sticky bit and leading zeros, modes that mean the same differ as text. */
const normalMode = (mode: string): string => mode.replace(/^0+(?=.)/, '');

/**
 * The mount options of a tmpfs. Programs in it cannot be run unless asked for, which is also the engine's default.
 * Throws `engine-unsupported` for an owner by name: the kernel takes numbers only.
 */
export function tmpfsOptions(path: string, mount: TmpfsMount): string {
  const [uid, gid] = mount.owner?.split(':') ?? [];
  if (![uid, gid].every((id) => id === undefined || /^\d+$/.test(id))) {
    throw new LoomsError('engine-unsupported', `tmpfs ${path} cannot belong to "${mount.owner}"`, {
      hint: 'give the user by number, e.g. 1000:1000',
    });
  }
  return [
    'rw',
    'nosuid',
    'nodev',
    mount.exec ? 'exec' : 'noexec',
    `size=${mount.sizeBytes}`,
    `mode=${normalMode(mount.mode)}`,
    ...(uid === undefined ? [] : [`uid=${uid}`]),
    ...(gid === undefined ? [] : [`gid=${gid}`]),
  ].join(',');
}

/** What options mean, whichever engine wrote them: Podman adds some of its own, and both default to noexec and 1777. */
export function readTmpfsOptions(text: string): TmpfsMount {
  const options = text.split(',').map((option) => option.split('='));
  const value = (name: string): string | undefined => options.findLast(([key]) => key === name)?.[1];
  const has = (name: string): boolean => options.some(([key]) => key === name);
  const [uid, gid] = [value('uid'), value('gid')];
  return {
    sizeBytes: sizeOf(value('size')),
    exec: has('exec') && !has('noexec'),
    mode: normalMode(value('mode') ?? '1777'),
    ...(uid === undefined ? {} : { owner: gid === undefined ? uid : `${uid}:${gid}` }),
  };
}
