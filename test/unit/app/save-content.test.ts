import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ContentPart, isFolder, prepareFolder, saveAs, saveParts } from '../../../src/app/talk/save-content.ts';
import { localFiles } from '../../../src/files/local-files.ts';

let here = '';
let place = { files: localFiles({}, here), workingDirectory: here };
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), 'looms-save-'));
  place = { files: localFiles({}, here), workingDirectory: here };
});
afterEach(() => rm(here, { recursive: true }));

const image: ContentPart = { kind: 'bytes', what: 'image', mimeType: 'image/png', bytes: Buffer.from([1, 2, 3]) };
const document: ContentPart = { kind: 'document', uri: 'file:///../../x', mimeType: 'text/markdown', text: 'é' };
const text: ContentPart = { kind: 'text', text: 'hello' };

describe('content of an answer', () => {
  it('is written in order, and its text is left to be shown', async () => {
    await prepareFolder(place, 'a/b');
    const { saved, left } = await saveParts(place, 'a/b', 'draw', [text, image, document]);
    expect(saved).toEqual([
      { path: 'a/b/draw-1.png', mimeType: 'image/png', bytes: 3 },
      { path: 'a/b/draw-2.md', mimeType: 'text/markdown', bytes: 2 },
    ]);
    expect(left).toEqual([text]);
    expect(await readFile(join(here, 'a/b/draw-1.png'))).toEqual(Buffer.from([1, 2, 3]));
    expect(await readFile(join(here, 'a/b/draw-2.md'), 'utf8')).toBe('é');
  });

  it('never replaces a file, nor what a link points to', async () => {
    await writeFile(join(here, 'draw-1.png'), 'mine');
    await symlink(join(here, 'elsewhere'), join(here, 'draw-2.png'));
    const { saved } = await saveParts(place, '.', 'draw', [image]);
    expect(saved.map(({ path }) => path)).toEqual(['draw-3.png']);
    expect(await readFile(join(here, 'draw-1.png'), 'utf8')).toBe('mine');
    expect(await readdir(here)).not.toContain('elsewhere');
  });

  it('stays in its folder whatever the server calls the tool', async () => {
    await prepareFolder(place, 'out');
    const { saved } = await saveParts(place, 'out', '../../evil/../x', [image]);
    expect(saved.map(({ path }) => path)).toEqual(['out/evil_.._x-1.png']);
    expect(await readdir(here)).toEqual(['out']);
  });

  it('that has a name of its own is refused where a file of that name is', async () => {
    expect((await saveAs(place, 'logo.png', image)).path).toBe('logo.png');
    await expect(saveAs(place, 'logo.png', image)).rejects.toMatchObject({ code: 'file-exists' });
    await expect(saveAs(place, 'nowhere/logo.png', image)).rejects.toMatchObject({ code: 'file-not-writable' });
  });

  it('is not asked for when there is no folder to put it', async () => {
    await writeFile(join(here, 'file'), '');
    await expect(prepareFolder(place, 'file')).rejects.toMatchObject({ code: 'file-not-writable' });
  });

  it('goes to a folder when the path is one, or is written as one', async () => {
    expect(await Promise.all(['.', 'new/', 'new'].map((path) => isFolder(place, path)))).toEqual([true, true, false]);
  });
});
