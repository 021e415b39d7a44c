import type { SecretRef } from './desired.ts';
import { LoomsError } from './errors.ts';

/** What a secret may be called: it becomes part of a variable's name and a file's name. */
export const secretNamePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** The variable that holds a secret: `teradata.uri-2` is `LOOMS_SECRET_TERADATA_URI_2`. */
export const secretVariable = (name: string): string =>
  `LOOMS_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/** A reference as a spec writes it: `${secret:name}`, `${NAME}`. */
export const writtenRef = ({ from, name }: SecretRef): string =>
  from === 'provider' ? `\${secret:${name}}` : `\${${name}}`;

/** Throws `usage` for a name that no spec could refer to. */
export function requireSecretName(name: string): void {
  if (secretNamePattern.test(name)) return;
  throw new LoomsError('usage', `${JSON.stringify(name)} cannot be the name of a secret`, {
    hint: 'at most 128 letters, digits, ".", "_" and "-", beginning with a letter or digit',
  });
}
