import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import type { GitCommit } from '../model/source.ts';
import { isRecord } from '../model/values/is-record.ts';
import { parsedJson } from '../model/values/parsed-json.ts';
import { sha256 } from '../model/values/sha256.ts';
import { type GitBounds, gitBounds, requireSmall, withinBytes } from './git-bounds.ts';
import { type GitEnd, gitOf } from './git-run.ts';
import type { GitPlace, GitSource, GitTree } from './port.ts';

/** After how long what a run left halfway is nobody's any more, ms. */
const leftMs = 600_000;

/** How much of an author is told, characters. */
const mostAuthor = 200;

/** What Git says whatever is wrong, over ssh and with folders. */
const saysNothing =
  /^(|fatal: Could not read from remote repository\.|Please make sure you have.*|and the repository exists\.)$/;

/** What was taken last, the name of its folder, and on which rules: what was taken on others is looked at anew. */
type Accepted = { readonly commit: GitCommit; readonly rules: string; readonly tree: string };

const digest = (parts: readonly (string | undefined)[]): string => sha256(JSON.stringify(parts));

/** A URL without what may be a credential: a password, of HTTP also a name, as tokens stand in its place, and a query. */
function shownUrl(url: string): string {
  if (!URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.password = '';
  if (isHttp.test(url)) parsed.username = '';
  parsed.search = '';
  return parsed.href;
}

const isHttp = /^https?:/i;
/** Who asks for a repository over HTTP: no part of which one it is, and a token there may be another one at each start. */
const login = /^(https?:\/\/)[^/?#]*@/i;
/** The name in a URL that Git says: it asks for a password by it. */
const namesInUrls = /(https?:\/\/)[^\s/@]*@/gi;

/** Attributes that count before those of a repository: its files are written as they are, and none goes through a program. */
const attributes = '* -text !eol !ident !filter !working-tree-encoding\n';

/**
 * A branch of a Git repository, taken commit by commit into folders of their own below `place.folder`. Nothing is kept of
 * the repository itself: each commit is fetched into a bare one that is made for it, so none can be left broken. Throws,
 * with nothing changed, `source-unreachable`, `file-not-found` for a branch or path that is not there, and `refused` for
 * a commit that is not signed as asked or does not follow the last one.
 */
export async function followGit(
  place: GitPlace,
  environment: Readonly<Record<string, string | undefined>>,
  bounds: GitBounds = gitBounds,
): Promise<GitSource> {
  const git = gitOf(environment);
  const { url, branch, path, allowedSigners, requireSigned, allowRewind } = place;
  const ref = branch === undefined ? 'HEAD' : `refs/heads/${branch}`;
  const called = branch === undefined ? shownUrl(url) : `branch ${branch} of ${shownUrl(url)}`;
  const notThere =
    branch === undefined
      ? new LoomsError('file-not-found', `${shownUrl(url)} holds no commit that it calls its head`, {
          hint: '--branch names the branch to follow',
        })
      : new LoomsError('file-not-found', `${called} is not there`, {
          hint: 'it is named by --branch; `git ls-remote --heads` shows those that are there',
        });
  const wanted = join(place.folder, digest([url.replace(login, '$1'), branch, path]).slice(0, 16));
  await mkdir(wanted, { recursive: true, mode: 0o700 });
  // Links above it are followed once, here: what a spec names below it is seen to be so.
  const folder = await realpath(wanted);
  const noteFile = join(folder, 'accepted.json');
  const readNote = async (): Promise<Accepted | undefined> =>
    acceptedOf(await readFile(noteFile, 'utf8').catch(() => ''));

  /** Throws what a command of Git failed with, as it says it. */
  const done = ({ code, stdout, stderr }: GitEnd, what: string): string => {
    if (code === 0) return stdout;
    const said = stderr
      .replaceAll(url, shownUrl(url))
      .replaceAll(namesInUrls, '$1')
      .split(/\s*\n\s*/);
    const [first = `git ended with exit code ${code}`, ...detail] = said.filter((line) => !saysNothing.test(line));
    throw new LoomsError('source-unreachable', `${what}: ${first.replace(/^fatal: /, '')}`, { detail });
  };
  const rulesNow = async (): Promise<string> => {
    if (allowedSigners === undefined) return digest([]);
    const signers = await readFile(allowedSigners, 'utf8').catch((error: unknown) => {
      throw new LoomsError('file-not-found', `the allowed signers cannot be read: ${messageOf(error)}`, {
        hint: 'one line each, as `ann@example.com ssh-ed25519 AAAA…` (man ssh-keygen, ALLOWED SIGNERS)',
        cause: error,
      });
    });
    return digest([signers, String(requireSigned)]);
  };

  const signatureOf = async (
    repository: string,
    commit: string,
    content: string,
    signal: AbortSignal,
  ): Promise<GitCommit['signature']> => {
    if (!/^gpgsig(-sha256)? /m.test(content.split('\n\n')[0] ?? '')) return { state: 'none' };
    if (allowedSigners === undefined) return { state: 'unchecked' };
    // Only those signers count: what a key ring of this user holds vouches for other things.
    const onlySsh = ['gpg.program', 'gpg.openpgp.program', 'gpg.x509.program'].flatMap((one) => ['-c', `${one}=false`]);
    const signers = ['-c', `gpg.ssh.allowedSignersFile=${allowedSigners}`];
    const verified = await git(
      [...onlySsh, ...signers, '--git-dir', repository, 'log', '-1', '--format=%G?%n%GS', commit],
      signal,
    );
    const [status, by = ''] = verified.stdout.trim().split('\n');
    return verified.code === 0 && status === 'G' ? { state: 'good', by } : { state: 'not-accepted' };
  };

  const describe = async (repository: string, id: string, signal: AbortSignal): Promise<GitCommit> => {
    const read = await git(['--git-dir', repository, 'cat-file', 'commit', id], signal);
    const content = done(read, `commit ${id} cannot be read`);
    const [, author = 'unknown'] = /^author ([^<>\n]*<[^<>\n]*>) \d+ [+-]\d{4}$/m.exec(content) ?? [];
    return { id, author: author.slice(0, mostAuthor), signature: await signatureOf(repository, id, content, signal) };
  };

  /** Fetches the branch, and where there was a commit before it, what shows that it follows that one. */
  const fetchTip = async (repository: string, before: string | undefined, signal: AbortSignal): Promise<string> => {
    done(await git(['init', '--quiet', '--bare', '--template=', repository], signal), 'no place for a repository');
    const fetch = (...args: readonly string[]): Promise<GitEnd> =>
      git(['--git-dir', repository, 'fetch', '--quiet', '--no-tags', '--no-recurse-submodules', ...args], signal);
    const needsProof = before !== undefined && !allowRewind;
    // From the commit before, a server sends what came after it; one that does not give it sends all there is.
    if (needsProof) await fetch('--depth=1', '--', url, before);
    const depth = needsProof ? [] : ['--depth=1'];
    done(await fetch(...depth, '--', url, `+${ref}:refs/looms/tip`), `${called} cannot be fetched`);
    const tip = done(await git(['--git-dir', repository, 'rev-parse', 'refs/looms/tip'], signal), 'no tip').trim();
    if (needsProof) {
      const proof = await git(['--git-dir', repository, 'merge-base', '--is-ancestor', before, tip], signal);
      if (proof.code !== 0) {
        throw new LoomsError('refused', `${called} goes backwards: ${tip} does not follow ${before}`, {
          hint: 'start with --allow-rewind where that is meant',
        });
      }
    }
    return tip;
  };

  /**
   * Writes the path of a commit into a folder that none had before, as the same commit, taken earlier, may be read just
   * now: whole, or not at all. Returns the name of the folder.
   */
  const exportTree = async (repository: string, id: string, signal: AbortSignal): Promise<string> => {
    const fresh = await mkdtemp(join(folder, 'tree-'));
    try {
      const there = await git(['--git-dir', repository, 'cat-file', '-t', `${id}:${path === '.' ? '' : path}`], signal);
      if (there.code !== 0) {
        throw new LoomsError('file-not-found', `${called} has nothing at ${path} in commit ${id.slice(0, 12)}`, {
          hint: '--path takes a file or a folder, from the top of the repository',
        });
      }
      const of = ['--git-dir', repository, '--literal-pathspecs'];
      const list = [...of, 'ls-tree', '-r', '-l', '-z', '--full-tree', id, '--', path];
      await requireSmall(git, list, bounds, signal);
      await mkdir(join(repository, 'info'), { recursive: true });
      await writeFile(join(repository, 'info', 'attributes'), attributes);
      done(
        await git([...of, '--work-tree', fresh, 'checkout', '--quiet', '--force', id, '--', path], signal),
        `${path} of commit ${id} cannot be written`,
      );
      const tree = `${id}${basename(fresh).slice('tree'.length)}`;
      await rename(fresh, join(folder, tree));
      return tree;
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  };

  /** Takes away all folders of commits but some, and what a run that was killed left. */
  const tidy = async (keep: readonly (string | undefined)[]): Promise<void> => {
    for (const name of await readdir(folder)) {
      const isTree = isTreeName.test(name) && !keep.includes(name);
      const isTemporary = /^(tree|fetch)-/.test(name);
      const found = isTemporary ? await stat(join(folder, name)).catch(() => undefined) : undefined;
      const isLeft = found !== undefined && Date.now() - found.mtimeMs > leftMs;
      if (isTree || isLeft) await rm(join(folder, name), { recursive: true, force: true });
    }
  };

  const take = async (before: string | undefined, rules: string, signal: AbortSignal): Promise<GitTree> => {
    const repository = await mkdtemp(join(folder, 'fetch-'));
    try {
      const tip = await withinBytes(repository, bounds.fetched, signal, (bound) => fetchTip(repository, before, bound));
      const commit = await describe(repository, tip, signal);
      if (requireSigned && commit.signature.state !== 'good') {
        const why = commit.signature.state === 'none' ? 'is not signed' : 'is signed by nobody of the allowed signers';
        throw new LoomsError('refused', `commit ${commit.id} of ${called} ${why}`, {
          detail: [`author ${commit.author}`],
        });
      }
      const tree = await exportTree(repository, commit.id, signal);
      const accepted: Accepted = { commit, rules, tree };
      // Another program on the same folder may have noted its own.
      const noted = await readNote();
      await writeFile(`${noteFile}.new`, `${JSON.stringify(accepted)}\n`, { mode: 0o600, flush: true });
      await rename(`${noteFile}.new`, noteFile);
      await tidy([tree, noted?.tree, held && basename(held.folder)]);
      return { commit, folder: join(folder, tree) };
    } finally {
      await rm(repository, { recursive: true, force: true });
    }
  };

  let heldBy = await rulesNow();
  const accepted = await readNote();
  let before = accepted?.commit.id;
  let held: GitTree | undefined =
    accepted?.rules === heldBy && existsSync(join(folder, accepted.tree))
      ? { commit: accepted.commit, folder: join(folder, accepted.tree) }
      : undefined;

  const look = async (signal: AbortSignal): Promise<boolean> => {
    const listed = await git(['ls-remote', '--exit-code', '--', url, ref], signal);
    // 2: no such name. Other names that end in the same are listed as well.
    const lines = listed.code === 2 ? [] : done(listed, `${shownUrl(url)} cannot be asked`).split('\n');
    const tip = lines.find((line) => line.endsWith(`\t${ref}`))?.split('\t')[0];
    if (tip === undefined) throw notThere;
    const rules = await rulesNow();
    const isHeld = tip === held?.commit.id && rules === heldBy;
    if (held !== undefined && isHeld && existsSync(held.folder)) return false;
    held = await take(before, rules, signal);
    heldBy = rules;
    before = held.commit.id;
    return true;
  };
  /** Looks follow one another: two at once would each take a commit, and the slower one leave the older. */
  let turn: Promise<unknown> = Promise.resolve();
  return {
    held: () => held,
    async look(signal) {
      const before = turn;
      const mine = before.then(() => {
        signal.throwIfAborted();
        return look(signal);
      });
      turn = mine.catch(() => {});
      await untilAborted(before, signal);
      return mine;
    },
  };
}

/** Waits for what never fails, no longer than until the signal aborts; throws its reason then. */
async function untilAborted(wait: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let giveUp = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([wait, aborted]);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** The name of a folder that holds a commit; earlier versions called it by the commit alone. */
const isTreeName = /^[0-9a-f]{40,64}(-\w{6})?$/;

/** What is noted is a claim of whoever can write the folder; other text is no note. */
function acceptedOf(text: string): Accepted | undefined {
  const read = parsedJson(text);
  if (!isRecord(read) || !isRecord(read.commit)) return undefined;
  const { rules, commit } = read;
  const { id, author } = commit;
  const signature = signatureIn(commit.signature);
  if (typeof id !== 'string' || !/^[0-9a-f]{40,64}$/.test(id) || typeof rules !== 'string') return undefined;
  if (typeof author !== 'string' || author.length > mostAuthor || signature === undefined) return undefined;
  const { tree = id } = read;
  const isOfCommit = typeof tree === 'string' && isTreeName.test(tree) && tree.split('-')[0] === id;
  return isOfCommit ? { commit: { id, author, signature }, rules, tree } : undefined;
}

function signatureIn(read: unknown): GitCommit['signature'] | undefined {
  if (!isRecord(read)) return undefined;
  const { state, by } = read;
  if (state === 'good') return typeof by === 'string' ? { state, by } : undefined;
  return state === 'not-accepted' || state === 'unchecked' || state === 'none' ? { state } : undefined;
}
