import { LoomsError } from '../../model/errors.ts';
import type { FilesIntent } from '../port.ts';

/** Throws `server-not-found` when `--server` or `--replace` names a server that the files do not hold. */
export function requireKnown({ servers, only = [], replace = [] }: Omit<FilesIntent, 'kind'>): void {
  const known = new Set<string>(servers.map(({ spec }) => spec.name));
  for (const [flag, names] of Object.entries({ '--server': only, '--replace': replace })) {
    const unknown = names.find((name) => !known.has(name));
    if (unknown === undefined) continue;
    throw new LoomsError('server-not-found', `${flag} ${unknown}: there is no such server in the files`, {
      hint: known.size === 0 ? 'the files hold no server' : `they hold ${[...known].sort().join(', ')}`,
    });
  }
}
