import { dirname, join } from 'node:path';
import type { Client } from '../../clients/client.ts';
import { readClientText } from '../../clients/edit.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ConnectPorts } from './ports.ts';

/** The file of a client: by the name that people know, and where it really is. */
export type ClientFile = {
  readonly shown: string;
  readonly real: string;
  /** Undefined where there is no file. */
  readonly text: string | undefined;
  /** What it holds; an empty object where there is no file. */
  readonly value: unknown;
};

/** Where an entry goes: the user's own file, or with `inProject` that of the folder that is worked in. */
export async function clientFilePath(ports: ConnectPorts, client: Client, inProject: boolean): Promise<string> {
  if (inProject) {
    if (client.projectFile === undefined) {
      throw new LoomsError('usage', `${client.title} has no file of a project`, { hint: 'leave --local away' });
    }
    return join(ports.workingDirectory, client.projectFile);
  }
  const files = client.files(ports.place);
  for (const file of files) if ((await ports.files.kindOf(file)) !== undefined) return file;
  const [usual = ''] = files;
  return usual;
}

/** Reads the file of a client. Throws `client-file-invalid` for one that is broken, which is left alone. */
export async function readClientFile({ files }: ConnectPorts, client: Client, shown: string): Promise<ClientFile> {
  const real = (await files.realPath(shown)) ?? shown;
  const read = await files.readText(real);
  if (!read.done) {
    if (read.why === 'missing') return { shown, real, text: undefined, value: {} };
    throw new LoomsError('file-not-found', `${shown} cannot be read: ${read.message}`, { cause: read.cause });
  }
  const hint = `it was left as it is: mend it, or put what --print shows into it by hand`;
  if (read.text.includes('\uFFFD')) throw new LoomsError('client-file-invalid', `${shown} is not UTF-8`, { hint });
  const parsed = readClientText(client.format, read.text);
  if (parsed.ok) return { shown, real, text: read.text, value: parsed.value };
  const message = `${shown}:${parsed.line} is no valid ${client.format.toUpperCase()}: ${parsed.message}`;
  throw new LoomsError('client-file-invalid', message, { hint });
}

/**
 * Puts a text into the file, whole or not at all, or takes the file away where there is none; the mode and owner of one that
 * is there stay. False where it is no longer as it was read: its client wrote it meanwhile, and nothing was done. Throws
 * `file-not-writable`.
 */
export async function writeClientFile(
  { files }: ConnectPorts,
  file: ClientFile,
  text: string | undefined,
): Promise<boolean> {
  if (file.text === undefined) await files.makeFolder(dirname(file.real));
  const written = await files.rewrite(file.real, text, file.text);
  if (written.done || written.why === 'changed') return written.done;
  const what = text === undefined ? 'removed' : 'written';
  throw new LoomsError('file-not-writable', `${file.shown} cannot be ${what}: ${written.message}`, {
    cause: written.cause,
  });
}

/** How often a change of a file is begun anew where its client wrote it meanwhile. */
const mostTries = 10;

/**
 * Reads the file of a client and changes it, and both again where `change` gives undefined, as the file is another one by
 * then. Throws `file-not-writable` for one that never holds still.
 */
export async function changeClientFile<T>(
  read: () => Promise<ClientFile>,
  change: (file: ClientFile) => Promise<T | undefined>,
): Promise<T> {
  let shown = '';
  for (let tries = 0; tries < mostTries; tries += 1) {
    const file = await read();
    shown = file.shown;
    const changed = await change(file);
    if (changed !== undefined) return changed;
  }
  throw new LoomsError('file-not-writable', `${shown} was written by another program each time it was to be changed`, {
    hint: 'it was left as it is: close what writes it, and try again',
  });
}
