import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ContentPart } from '../mcp/content.ts';
import { endingOf, safeStem } from '../mcp/file-names.ts';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';

export type { ContentPart, PromptMessage } from '../mcp/content.ts';

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

/**
 * Makes sure that a folder is there, before anything is asked of a server whose answer could then not be kept.
 * Throws `file-not-found` where there is none and none can be made.
 */
export async function prepareFolder(workingDirectory: string, folder: string): Promise<void> {
  try {
    await mkdir(resolve(workingDirectory, folder), { recursive: true });
  } catch (error) {
    throw notWritten(folder, error);
  }
}

/**
 * Writes images, audio and embedded resources into a folder as `STEM-1.png`, `STEM-2.json` …; a number that is taken is
 * passed over, so no file is ever replaced. Returns what was written, and what is left to show.
 * Throws `file-not-found` for a file that cannot be written.
 */
export async function saveParts(
  workingDirectory: string,
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
      if (await writeNew(workingDirectory, path, part)) {
        saved.push(savedFile(path, part));
        break;
      }
      if (number > mostNumbers) throw new LoomsError('file-exists', `${path} and all before it are there already`);
    }
  }
  return { saved, left: parts.filter((part) => !isSavable(part)) };
}

/**
 * Writes one part to a file of its own name. Throws `file-exists` rather than replacing one, `file-not-found` where it
 * cannot be written.
 */
export async function saveAs(workingDirectory: string, path: string, part: ContentPart): Promise<SavedFile> {
  if (!isSavable(part))
    throw new LoomsError('session-failed', `there is nothing to save in content of type ${part.kind}`);
  if (await writeNew(workingDirectory, path, part)) return savedFile(path, part);
  throw new LoomsError('file-exists', `${path} is there already`, {
    hint: 'name another with --out, or a folder, where files are numbered',
  });
}

/** Whether a path names a folder: one that is there, or one that is written as such. */
export async function isFolder(workingDirectory: string, path: string): Promise<boolean> {
  if (/[/\\]$/.test(path)) return true;
  const found = await stat(resolve(workingDirectory, path)).catch(() => undefined);
  return found?.isDirectory() === true;
}

const contentOf = (part: Savable): string | Uint8Array => (part.kind === 'bytes' ? part.bytes : part.text);

const savedFile = (path: string, part: Savable): SavedFile => ({
  path,
  ...(part.mimeType === undefined ? {} : { mimeType: part.mimeType }),
  bytes: Buffer.byteLength(contentOf(part)),
});

/** False when there is a file of that name; a link is one too, and is not followed. */
async function writeNew(workingDirectory: string, path: string, part: Savable): Promise<boolean> {
  try {
    await writeFile(resolve(workingDirectory, path), contentOf(part), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): LoomsError {
  const why = messageOf(error);
  return new LoomsError('file-not-found', `${path} cannot be written: ${why}`, {
    hint: 'name a folder that is there, or that can be made',
    cause: error,
  });
}
