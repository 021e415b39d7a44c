import { createHash } from 'node:crypto';

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID of a moment (ms since 1970) and of what makes something this one: the same each time. */
export function ulid(time: number, key: string): string {
  let id = '';
  for (let rest = time, at = 0; at < 10; at += 1, rest = Math.floor(rest / 32)) id = `${digits[rest % 32]}${id}`;
  const hash = createHash('sha256').update(key).digest();
  return id + [...hash.subarray(0, 16)].map((byte) => digits[byte % 32]).join('');
}
