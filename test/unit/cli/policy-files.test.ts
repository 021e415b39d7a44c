import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPolicyFiles } from '../../../src/cli/project/policy-files.ts';
import { localFiles } from '../../../src/files/local-files.ts';

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A configuration folder of a user with this policy in it, and how to read it; `text` undefined: none. */
function configured(text: string | undefined) {
  const XDG_CONFIG_HOME = realpathSync(mkdtempSync(join(tmpdir(), 'looms-policy-')));
  made.push(XDG_CONFIG_HOME);
  const folder = join(XDG_CONFIG_HOME, 'looms');
  const path = join(folder, 'policy.yaml');
  mkdirSync(folder, { mode: 0o755 });
  if (text !== undefined) writeFileSync(path, text, { mode: 0o644 });
  const read = () => readPolicyFiles({ files: localFiles({}, '/') }, { XDG_CONFIG_HOME });
  return { folder, path, read };
}

describe.skipIf(process.platform === 'win32')('the policy of a user', () => {
  it('is read by the rules of XDG, and may be absent', async () => {
    const { path, read } = configured('max_pids: 5\n');
    expect(await read()).toEqual([expect.objectContaining({ file: path, lines: { max_pids: 1 } })]);
    expect(await configured(undefined).read()).toEqual([]);
  });

  it.each([0o666, 0o664])('is refused with mode %o: others could change it', async (mode) => {
    const { path, read } = configured('max_pids: 5\n');
    chmodSync(path, mode);
    await expect(read()).rejects.toMatchObject({ code: 'refused', hint: `chmod go-w ${path}` });
  });

  it('is refused in a folder that others may write to: they could put another there', async () => {
    const { folder, read } = configured('max_pids: 5\n');
    chmodSync(folder, 0o777);
    await expect(read()).rejects.toMatchObject({ code: 'refused', hint: `chmod go-w ${folder}` });
  });

  it('is refused where a folder above is one that others may write to: they could put another one there', async () => {
    const { folder, read } = configured('max_pids: 5\n');
    const above = dirname(folder);
    chmodSync(above, 0o775);
    await expect(read()).rejects.toMatchObject({ code: 'refused', hint: `chmod go-w ${above}` });
    // As in /tmp, above all of these: nobody can take away what is another's.
    chmodSync(above, 0o1777);
    expect(await read()).toHaveLength(1);
  });

  it.each(['policy.yaml', 'looms'])(
    'is refused where %s is a link into a folder that others may write to',
    async (name) => {
      const { folder, path, read } = configured('max_pids: 5\n');
      const elsewhere = realpathSync(mkdtempSync(join(tmpdir(), 'looms-policy-')));
      made.push(elsewhere);
      // The link leads through another one, and only the folder of that one is open.
      const [open, closed] = [join(elsewhere, 'open'), join(elsewhere, 'closed')];
      mkdirSync(open);
      renameSync(folder, closed);
      if (name === 'looms') {
        symlinkSync(closed, join(open, 'second'));
        symlinkSync(join(open, 'second'), folder);
      } else {
        mkdirSync(folder);
        symlinkSync('../closed/policy.yaml', join(open, 'second'));
        symlinkSync(join(open, 'second'), path);
      }
      expect(await read()).toHaveLength(1);
      chmodSync(open, 0o777);
      await expect(read()).rejects.toMatchObject({ code: 'refused', hint: `chmod go-w ${open}` });
      // And is not taken for none when it was used.
      rmSync(join(open, 'second'));
      await expect(read()).rejects.toMatchObject({ code: 'file-not-found' });
      writeFileSync(join(open, 'second'), '');
      await expect(read()).rejects.toMatchObject({ code: name === 'looms' ? 'file-not-found' : 'refused' });
    },
  );

  it.skipIf(process.getuid?.() !== 0)('is refused where a link to it belongs to somebody else', async () => {
    const { folder, path, read } = configured('max_pids: 5\n');
    const kept = join(folder, 'kept.yaml');
    renameSync(path, kept);
    symlinkSync(kept, path);
    lchownSync(path, 4321, 0);
    await expect(read()).rejects.toMatchObject({ code: 'refused', hint: `chown -h root ${path}` });
  });

  it.skipIf(process.getuid?.() !== 0)('is refused when it belongs to somebody else', async () => {
    const { path, read } = configured('max_pids: 5\n');
    chownSync(path, 4321, 0);
    await expect(read()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('user 4321') });
  });

  it('is an error when it is there and cannot be read, and not taken for absent', async () => {
    const { path, read } = configured(undefined);
    symlinkSync('/nowhere/at/all', path);
    await expect(read()).rejects.toMatchObject({ code: 'file-not-found', message: expect.stringContaining(path) });
    rmSync(path);
    mkdirSync(path);
    await expect(read()).rejects.toMatchObject({ code: 'file-not-found' });
  });

  it('is an error with its findings when it is wrong', async () => {
    const { path, read } = configured('max_pid: 5\n');
    await expect(read()).rejects.toMatchObject({
      code: 'spec-invalid',
      diagnostics: [expect.objectContaining({ code: 'unknown-key', hint: 'did you mean max_pids?' })],
      message: expect.stringContaining(path),
    });
  });
});
