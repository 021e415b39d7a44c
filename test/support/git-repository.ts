import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A key of ssh, made for a test. */
export type SshKey = { readonly file: string; readonly signer: string };

/** A repository on this machine that is pushed to by whoever calls `commit`. */
export function gitRepository(name: string) {
  const root = mkdtempSync(join(tmpdir(), `looms-${name}-`));
  const folder = join(root, 'repository');
  const git = (...args: string[]): string =>
    execFileSync(
      'git',
      ['-C', folder, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.com', '-c', 'commit.gpgSign=false', ...args],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    ).trim();
  mkdirSync(folder);
  git('init', '--quiet', '-b', 'main');
  return {
    root,
    folder,
    url: `file://${folder}`,
    git,
    /** Writes files, undefined for one that goes, and commits; the id. */
    commit(files: Readonly<Record<string, string | undefined>>, signedBy?: SshKey): string {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        if (text === undefined) rmSync(join(folder, path));
        else writeFileSync(join(folder, path), text);
      }
      git('add', '--all');
      const sign =
        signedBy === undefined
          ? []
          : ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${signedBy.file}`, 'commit', '-S'];
      git(...(sign.length === 0 ? ['commit'] : sign), '--quiet', '--allow-empty', '-m', 'specs');
      return git('rev-parse', 'HEAD');
    },
    /** A key, and its line for a file of allowed signers. */
    key(who: string): SshKey {
      const file = join(root, who);
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', who, '-f', file]);
      const [type, key] = execFileSync('cat', [`${file}.pub`], { encoding: 'utf8' }).split(' ');
      return { file, signer: `${who} ${type} ${key}\n` };
    },
    /** Makes a commit of this text, well-formed or not, the newest one. */
    take(commit: string): void {
      const id = execFileSync('git', ['-C', folder, 'hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], {
        input: `${commit}\n`,
        encoding: 'utf8',
      }).trim();
      git('update-ref', 'refs/heads/main', id);
    },
    /** Makes a tree of what `git ls-tree` prints; its id. */
    makeTree: (entries: string): string =>
      execFileSync('git', ['-C', folder, 'mktree'], { input: entries, encoding: 'utf8' }).trim(),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
