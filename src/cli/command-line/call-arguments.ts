import * as Flags from '@oclif/core/flags';
import type { ArgumentSource } from '../../app/talk/call-arguments.ts';
import { LoomsError } from '../../model/errors.ts';

/** Where arguments come from when they are not on the command line. */
export const argumentFlags = {
  args: Flags.string({
    description: 'a file with the arguments as a JSON object; - is standard input',
    helpValue: 'FILE',
  }),
};

/** Where content goes that is no text. */
export const outFlags = {
  out: Flags.string({
    description: 'write images, audio and embedded resources into this folder; no file is replaced',
    helpValue: 'DIR',
  }),
};

/** Where the arguments of a call are: `--args FILE`, one `-` for standard input, or the words themselves. Throws `usage`. */
export function argumentSource(file: string | undefined, words: readonly string[]): ArgumentSource {
  if (file !== undefined && words.length > 0) {
    throw new LoomsError('usage', '--args and arguments on the command line exclude one another', {
      hint: 'give the file, or the arguments',
    });
  }
  if (file !== undefined) return { kind: 'file', path: file };
  return words.length === 1 && words[0] === '-' ? { kind: 'file', path: '-' } : { kind: 'words', words };
}
