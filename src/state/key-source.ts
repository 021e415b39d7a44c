import { createHash } from 'node:crypto';
import { LoomsError } from '../model/errors.ts';
import { type Keyed, keyedFor } from './key-file.ts';
import { ledgerPlaces } from './ledger.ts';
import { findMachineKey, type MachineKeyUse, machineKey } from './machine-key.ts';

type NamedKey = {
  readonly hash: Keyed;
  /** Of this key for this use: no secret, and the same wherever the key is. */
  readonly name: string;
};

const named = (hash: Keyed): NamedKey => ({ hash, name: hash('name of this key').slice(0, 12) });

/**
 * The key for one use: the one that a team shares (`LOOMS_RECORD_KEY`), else that of this machine. To `find` and `make`, one
 * that cannot be used counts as none: it must not keep anyone from stopping a server. `looms doctor` tells of it.
 */
export function keySource(
  environment: Readonly<Record<string, string | undefined>>,
  use: MachineKeyUse,
): {
  /** Throws `ledger-unreadable`, with what to do, for one that cannot be used. */
  readonly require: () => NamedKey | undefined;
  readonly find: () => NamedKey | undefined;
  /** The same, made where there is none yet; undefined where none can be made. */
  readonly make: () => NamedKey | undefined;
} {
  const shared = environment.LOOMS_RECORD_KEY;
  const path = ledgerPlaces(environment).machineKey;
  let known: NamedKey | undefined;
  const get = (load: (path: string, use: MachineKeyUse) => Keyed | undefined): NamedKey | undefined => {
    if (known !== undefined) return known;
    const hash = shared
      ? keyedFor(createHash('sha256').update(shared).digest(), `looms shared v1: ${use}`)
      : load(path, use);
    known = hash && named(hash);
    return known;
  };
  const orNone = (load: Parameters<typeof get>[0]): NamedKey | undefined => {
    try {
      return get(load);
    } catch (error) {
      if (error instanceof LoomsError) return undefined;
      throw error;
    }
  };
  return { require: () => get(findMachineKey), find: () => orNone(findMachineKey), make: () => orNone(machineKey) };
}
