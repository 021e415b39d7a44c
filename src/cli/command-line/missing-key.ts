import { LoomsError } from '../../model/errors.ts';

/** What is said where the store of this machine has no secret of a name. */
export const missingKey = (name: string): LoomsError =>
  new LoomsError('secret-missing', `no secret ${name} is stored here`, {
    hint: '`looms config list-keys` shows each name with its store; --store keyring is for those of the keyring',
  });
