import { LoomsError } from '../model/errors.ts';

/** Quotes a word for a POSIX shell, so that `>=` of a version or a blank in a path has no meaning there. */
export function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A value on one line of a Dockerfile. Throws `spec-invalid` for control characters, which could begin another. */
export function onOneLine(value: string, what: string): string {
  for (const character of value) {
    const code = character.charCodeAt(0);
    if (code < 0x20 || code === 0x7f) {
      throw new LoomsError(
        'spec-invalid',
        `${what} holds a line break or a control character: ${JSON.stringify(value)}`,
      );
    }
  }
  return value;
}

/** One ENV instruction; `$NAME` and `\$` as in a Dockerfile. Throws `spec-invalid` for what cannot be written. */
export function envInstruction(name: string, value: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) {
    throw new LoomsError('spec-invalid', `${JSON.stringify(name)} is no name for an environment variable`);
  }
  const quoted = onOneLine(value, `the value of ${name}`).replace(/\\(?!\$)|"/g, '\\$&');
  return `ENV ${name}="${quoted}"`;
}

/** A value for `envInstruction` that is taken as it is, although it holds a dollar sign. */
export function literalValue(text: string): string {
  return text.replaceAll('$', '\\$');
}

/** One ARG instruction for settings of ours: they hold while the image is built, and are no part of it. */
export function argInstruction(settings: Readonly<Record<string, string>>): string {
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `ARG ${words.join(' ')}`;
}

/** A COPY in its JSON form, which takes blanks in paths. */
export function copyInstruction(sources: readonly string[], destination: string): string {
  return `COPY ${JSON.stringify([...sources, destination])}`;
}

/** A RUN instruction, kept as written, as the engine's title of the step, unless a Dockerfile would misread it. */
export function runInstruction(command: string): string {
  const text = command.trim();
  const misread = /[\n\r]|\\$|^[[-]|<</.test(text);
  return misread ? `RUN ${JSON.stringify(['/bin/sh', '-ec', text])}` : `RUN ${text}`;
}

/** The instructions of one kind of image. All but `setup` comes after the CA certificates are trusted. */
export type RecipeBody = {
  readonly setup: readonly string[];
  readonly install: readonly string[];
  readonly useBuildCache: boolean;
};
