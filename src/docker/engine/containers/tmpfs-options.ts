import type { TmpfsMount } from '../../../model/container/tmpfs.ts';
import { LoomsError } from '../../../model/errors.ts';

const units: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A size as mount(8) takes it: digits and an optional k, m or g; 0 where it is something else (`50%`). */
function sizeOf(text: string | undefined): number {
  const match = /^(\d+)([kmg]?)$/i.exec(text ?? '');
  return match === null ? 0 : Number(match[1]) * (units[(match[2] ?? '').toLowerCase()] ?? 1);
}

/** Without a sticky bit and leading zeros, modes that mean the same differ as text. */
const normalMode = (mode: string): string => mode.replace(/^0+(?=.)/, '');

/** For whom a tmpfs is made. */
type TmpfsPlace = {
  readonly engine: 'docker' | 'podman';
  /** The user of the container. */
  readonly user: string;
};

/**
 * The mount options of a tmpfs. Programs in it cannot be run unless asked for, which is also the engine's default.
 * Throws `engine-unsupported` for an owner by name, since the kernel takes numbers only, and on Podman for one who is
 * not the container's user: it refuses `uid=` and `gid=`, and has `U` for that user alone.
 */
export function tmpfsOptions(path: string, mount: TmpfsMount, { engine, user }: TmpfsPlace): string {
  const [uid, gid] = mount.owner?.split(':') ?? [];
  if (![uid, gid].every((id) => id === undefined || /^\d+$/.test(id))) {
    throw new LoomsError('engine-unsupported', `tmpfs ${path} cannot belong to "${mount.owner}"`, {
      hint: 'give the user by number, e.g. 1000:1000',
    });
  }
  if (engine === 'podman' && mount.owner !== undefined && mount.owner !== user) {
    throw new LoomsError('engine-unsupported', `on Podman, tmpfs ${path} cannot belong to "${mount.owner}"`, {
      hint: `leave out its owner, or give the container's own user, ${user}`,
    });
  }
  const owner = [...(uid === undefined ? [] : [`uid=${uid}`]), ...(gid === undefined ? [] : [`gid=${gid}`])];
  return [
    'rw',
    'nosuid',
    'nodev',
    mount.exec ? 'exec' : 'noexec',
    `size=${mount.sizeBytes}`,
    `mode=${normalMode(mount.mode)}`,
    ...(engine === 'podman' && owner.length > 0 ? ['U'] : owner),
  ].join(',');
}

/**
 * What options mean, whichever engine wrote them: Podman adds some of its own, and both default to noexec and 1777. `U`
 * stands, until Podman has started the container, for its `user`.
 */
export function readTmpfsOptions(text: string, user = ''): TmpfsMount {
  const options = text.split(',').map((option) => option.split('='));
  const value = (name: string): string | undefined => options.findLast(([key]) => key === name)?.[1];
  const has = (name: string): boolean => options.some(([key]) => key === name);
  const ofUser = has('U') && /^\d+(:\d+)?$/.test(user) ? user.split(':') : [];
  const uid = value('uid') ?? ofUser[0];
  // What `U` came to also names the group of a user without one.
  const gid = uid === user ? undefined : (value('gid') ?? ofUser[1]);
  return {
    sizeBytes: sizeOf(value('size')),
    exec: has('exec') && !has('noexec'),
    mode: normalMode(value('mode') ?? '1777'),
    ...(uid === undefined ? {} : { owner: gid === undefined ? uid : `${uid}:${gid}` }),
  };
}
