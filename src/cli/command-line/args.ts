import * as Args from '@oclif/core/args';
import { LoomsError } from '../../model/errors.ts';
import { asServerName, namePattern, type ServerName } from '../../model/ids.ts';

type TextArg = { readonly description: string };

/** A word of the command line. For a missing one oclif would read stdin, and eat that of a loop around looms. */
export const optionalArg = ({ description }: TextArg) => Args.string({ description, ignoreStdin: true });

/** The same for a word that must be there. */
export const requiredArg = ({ description }: TextArg) =>
  Args.string({ description, required: true, ignoreStdin: true });

/** The same for all words that are left, any number of them. */
export const remainingArgs = ({ description }: TextArg) =>
  Args.string({ description, multiple: true, ignoreStdin: true });

/** The same for words of which there must be one at least. */
export const requiredArgs = ({ description }: TextArg) =>
  Args.string({ description, required: true, multiple: true, ignoreStdin: true });

/** The same for a word with a default. */
export const defaultedArg = ({ description, value }: TextArg & { readonly value: string }) =>
  Args.string({ description, default: value, ignoreStdin: true });

/** A server's name as the user typed it. Throws `usage` for text that cannot be one. */
export function serverName(text: string): ServerName {
  if (namePattern.test(text)) return asServerName(text);
  throw new LoomsError('usage', `"${text}" is no name for a server`, {
    hint: 'a server is named in lower-case letters, digits and dashes, at most 40',
  });
}
