import { join, resolve } from 'node:path';
import type { FileFailure } from '../../files/port.ts';
import type { ContentPart } from '../../mcp/client/answers/content.ts';
import { endingOf, safeStem } from '../../mcp/client/answers/file-names.ts';
import { LoomsError } from '../../model/errors.ts';
import type { Ports } from '../ports.ts';

export type { ContentPart, PromptMessage } from '../../mcp/client/answers/content.ts';

/** What is written to, and what relative paths start at. */
type Place = Pick<Ports, 'files' | 'workingDirectory'>;

/** A file that was written. */
export type SavedFile = {
  /** As the user named it: the folder that was asked for, and the file's name. */
  readonly path: string;
  readonly mimeType?: string;
  readonly bytes: number;
};

/** Files of one name that are tried before writing another counts as hopeless. */
const mostNumbers = 10_000;

/** What of an answer is a file: everything but its text and links. */
type Savable = Extract<ContentPart, { kind: 'bytes' | 'document' }>;
const isSavable = (part: ContentPart): part is Savable => part.kind === 'bytes' || part.kind === 'document';

/** Makes a folder before a server is asked whose answer could not be kept. Throws `file-not-writable`. */
export async function prepareFolder({ files, workingDirectory }: Place, folder: string): Promise<void> {
  const made = await files.makeFolder(resolve(workingDirectory, folder));
  if (!made.done) throw notWritten(folder, made);
}

/** Writes what is no text into a folder as `STEM-1.png` …, over no file. Throws `file-not-writable`. */
export async function saveParts(
  place: Place,
  folder: string,
  name: string,
  parts: readonly ContentPart[],
): Promise<{ readonly saved: readonly SavedFile[]; readonly left: readonly ContentPart[] }> {
  const saved: SavedFile[] = [];
  const stem = safeStem(name);
  let number = 1;
  for (const part of parts.filter(isSavable)) {
    const ending = endingOf(part.mimeType);
    for (;;) {
      const path = join(folder, `${stem}-${number++}.${ending}`);
      if (await writeNew(place, path, part)) {
        saved.push(savedFile(path, part));
        break;
      }
      if (number > mostNumbers) throw new LoomsError('file-exists', `${path} and all before it are there already`);
    }
  }
  return { saved, left: parts.filter((part) => !isSavable(part)) };
}

/** Writes one part to a file of its own name, replacing none. Throws `file-exists`, `file-not-writable`. */
export async function saveAs(place: Place, path: string, part: ContentPart): Promise<SavedFile> {
  if (!isSavable(part))
    throw new LoomsError('session-failed', `there is nothing to save in content of type ${part.kind}`);
  if (await writeNew(place, path, part)) return savedFile(path, part);
  throw new LoomsError('file-exists', `${path} is there already`, {
    hint: 'name another with --out, or a folder, where files are numbered',
  });
}

/** Whether a path names a folder: one that is there, or one that is written as such. */
export async function isFolder({ files, workingDirectory }: Place, path: string): Promise<boolean> {
  return /[/\\]$/.test(path) || (await files.kindOf(resolve(workingDirectory, path))) === 'folder';
}

const contentOf = (part: Savable): string | Uint8Array => (part.kind === 'bytes' ? part.bytes : part.text);

const savedFile = (path: string, part: Savable): SavedFile => ({
  path,
  ...(part.mimeType === undefined ? {} : { mimeType: part.mimeType }),
  bytes: Buffer.byteLength(contentOf(part)),
});

/** False when there is a file of that name; a link is one too, and is not followed. */
async function writeNew({ files, workingDirectory }: Place, path: string, part: Savable): Promise<boolean> {
  const written = await files.create(resolve(workingDirectory, path), contentOf(part));
  if (!written.done && written.why !== 'exists') throw notWritten(path, written);
  return written.done;
}

const notWritten = (path: string, { message, cause }: FileFailure): LoomsError =>
  new LoomsError('file-not-writable', `${path} cannot be written: ${message}`, {
    hint: 'name a folder that is there, or that can be made',
    cause,
  });
