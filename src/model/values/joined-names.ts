import { type JoinedNames, usualNames } from '../serve-settings.ts';
import { sha256 } from './sha256.ts';

/**
 * The name of a server's tool or prompt among those of all servers: `server__name`, of letters, digits, `_` and `-` alone,
 * as some clients break at others. What had to be changed for that ends with a hash of what it was, so that no two become
 * one, and the same one is called the same each time.
 */
export function joinedName(server: string, name: string, { separator, maxName }: JoinedNames = usualNames): string {
  const whole = `${server}${separator}${name}`;
  const plain = whole.replace(/[^a-zA-Z0-9_-]/g, '_');
  if (plain === whole && whole.length <= maxName) return whole;
  const hash = sha256(JSON.stringify([server, name])).slice(0, 8);
  return `${plain.slice(0, maxName - hash.length - 1)}_${hash}`;
}

/** The server that such a name begins with; names of servers hold no `_`. */
export const serverOf = (joined: string, { separator }: JoinedNames = usualNames): string | undefined => {
  const at = joined.indexOf(separator);
  return at > 0 ? joined.slice(0, at) : undefined;
};
