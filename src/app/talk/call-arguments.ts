import { resolve } from 'node:path';
import { parseArguments, parseJsonArguments } from '../../mcp/client/arguments/arguments.ts';
import type { Schema } from '../../mcp/client/arguments/schema.ts';
import { LoomsError, withHint } from '../../model/errors.ts';
import type { Ports } from '../ports.ts';

/** Arguments of a call as the command line has them. */
export type ArgumentSource =
  /** One JSON object, or `key=value`, `key:=json`, `key=@file`. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** A file with a JSON object; `-` is standard input. */
  | { readonly kind: 'file'; readonly path: string };

type Arguments = Readonly<Record<string, unknown>>;

/** What arguments are for: a tool or a prompt, what it takes, and the command that shows that. */
type ArgumentsOf = {
  readonly what: string;
  readonly schema: Schema;
  readonly shownBy: string;
  readonly signal?: AbortSignal | undefined;
};

/** Reads and checks arguments. Throws `arguments-invalid` with all problems, `file-not-found`, `interrupted`. */
export async function readArguments(
  ports: Ports,
  source: ArgumentSource,
  { what, schema, shownBy, signal }: ArgumentsOf,
): Promise<{ readonly args: Arguments; readonly warning?: string }> {
  const read = async (path: string): Promise<string> => {
    if (path === '-') return ports.readStdin();
    const found = await ports.files.readText(resolve(ports.workingDirectory, path));
    if (found.done) return found.text;
    throw new LoomsError('file-not-found', `${path} cannot be read`, {
      hint: 'a value that begins with @ is a file’s name; write @@ for the character itself',
      cause: found.cause,
    });
  };
  const hint = `${shownBy} shows what it takes`;
  const args = await hinted(hint, async () =>
    source.kind === 'file' ? parseJsonArguments(await read(source.path)) : parseArguments(source.words, schema, read),
  );
  const { checkInTime } = await import('../../mcp/client/arguments/check-in-time.ts');
  const check = await checkInTime(schema, args, { signal });
  if (check.valid === true) return { args };
  if (check.valid === 'unknown') return { args, warning: check.warning };
  throw new LoomsError('arguments-invalid', `the arguments do not fit ${what}`, {
    detail: check.problems,
    hint,
  });
}

/** Adds a hint to a refusal that has none of its own. */
async function hinted<T>(hint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LoomsError) || error.hint !== undefined) throw error;
    throw withHint(error, hint);
  }
}
