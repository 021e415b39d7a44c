import { LoomsError } from '../../model/errors.ts';
import { asServerName, namePattern, type ServerName } from '../../model/ids.ts';

/** A server's name as the user typed it. Throws `usage` for text that cannot be one. */
export function serverName(text: string): ServerName {
  if (namePattern.test(text)) return asServerName(text);
  throw new LoomsError('usage', `"${text}" is no name for a server`, {
    hint: 'a server is named in lower-case letters, digits and dashes, at most 40',
  });
}
