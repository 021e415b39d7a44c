import { join } from 'node:path';
import { type ContentPart, readParts } from '../../mcp/client/answers/content.ts';
import { nameOfUri } from '../../mcp/client/answers/file-names.ts';
import type { ReadResult } from '../../mcp/client/session.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import type { Ports } from '../ports.ts';
import { type OfServer, onServer, type TalkOptions } from './open-server.ts';
import { isFolder, prepareFolder, type SavedFile, saveAs } from './save-content.ts';

type ReadRequest = OfServer & {
  readonly uri: string;
  /** A folder, where files get the resource's name, or a file. */
  readonly out?: string;
};

type ReadOutcome = {
  readonly result: ReadResult;
  /** What was read, piece by piece; most resources are one. */
  readonly parts: readonly ContentPart[];
  readonly saved: readonly SavedFile[];
};

/** Reads a resource, and saves it when asked to. Throws as `openServer`, `resource-not-found`, `file-exists`. */
export async function readResource(
  ports: Ports,
  request: ReadRequest,
  options: TalkOptions = {},
): Promise<ReadOutcome> {
  return onServer(ports, request, options, async ({ session, spec }) => {
    const result = await session.readResource(request.uri, {
      timeoutMs: spec.limits.executionTimeoutSeconds * 1000,
      signal: options.signal,
    });
    const parts = readParts(result);
    const saved = request.out === undefined ? [] : await save(ports, request.out, request.uri, parts);
    return { result, parts, saved };
  });
}

async function save(
  ports: Ports,
  out: string,
  uri: string,
  parts: readonly ContentPart[],
): Promise<readonly SavedFile[]> {
  const [only, ...others] = parts;
  if (!(await isFolder(ports, out))) {
    if (only !== undefined && others.length === 0) return [await saveAs(ports, out, only)];
    throw new LoomsError('usage', `${uri} is ${parts.length} pieces of content, which do not fit into one file`, {
      hint: `name a folder: --out ${out}/`,
    });
  }
  await prepareFolder(ports, out);
  const saved: SavedFile[] = [];
  for (const part of parts) saved.push(await saveNumbered(ports, out, uri, part));
  return saved;
}

/** `notes.txt`, or `notes-2.txt` when that is taken. */
async function saveNumbered(ports: Ports, folder: string, uri: string, part: ContentPart): Promise<SavedFile> {
  const own = part.kind === 'bytes' || part.kind === 'document' ? part : undefined;
  const { stem, ending } = nameOfUri(own?.uri || uri, own?.mimeType);
  for (let number = 1; ; number++) {
    const name = number === 1 ? stem : `${stem}-${number}`;
    try {
      return await saveAs(ports, join(folder, `${name}.${ending}`), part);
    } catch (error) {
      if (!isFailure(error, 'file-exists') || number > 10_000) throw error;
    }
  }
}
