import type { Blocker } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import type { ForeignContainer } from '../model/observed.ts';

/** What this engine, or what is on it, does not let a server do. */
export const unsupported = (detail: string, hint?: string): Blocker => ({
  kind: 'unsupported',
  detail,
  ...defined({ hint }),
});

/** Somebody else's container under a name that looms would use. */
export const nameTaken = ({ id, name, image, owner }: ForeignContainer): Blocker => ({
  kind: 'name-taken',
  name,
  id,
  image,
  owner,
  hint: `\`docker rename ${name} other\`, or remove it, then apply again`,
});
