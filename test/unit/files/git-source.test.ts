import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gitBounds } from '../../../src/files/git-bounds.ts';
import { followGit } from '../../../src/files/git-source.ts';
import type { GitPlace } from '../../../src/files/port.ts';
import { eventually } from '../../support/eventually.ts';
import { gitRepository } from '../../support/git-repository.ts';

type Note = { tree?: string; rules?: number; signature?: object; author?: string };

const never = new AbortController().signal;

describe('a Git repository that is followed', () => {
  let repository: ReturnType<typeof gitRepository>;
  beforeEach(() => {
    repository = gitRepository('followed');
  });
  afterEach(() => repository.remove());

  const follow = (
    more: Partial<GitPlace> = {},
    environment: Record<string, string | undefined> = process.env,
    bounds: Partial<typeof gitBounds> = {},
  ) =>
    followGit(
      {
        url: repository.url,
        branch: 'main',
        path: 'specs',
        allowedSigners: undefined,
        requireSigned: false,
        allowRewind: false,
        folder: join(repository.root, 'state'),
        ...more,
      },
      environment,
      { ...gitBounds, ...bounds },
    );
  const signers = (text: string): string => {
    const file = join(repository.root, 'signers');
    writeFileSync(file, text);
    return file;
  };
  const kept = (): string[] => {
    const [folder = ''] = readdirSync(join(repository.root, 'state'));
    return readdirSync(join(repository.root, 'state', folder)).sort();
  };

  test('is taken commit by commit: the path alone, in a folder of its own, with who made it', async () => {
    const first = repository.commit({ 'specs/a.yaml': 'one', 'other/b.yaml': 'x' });
    const source = await follow();
    expect(source.held()).toBeUndefined();
    expect(await source.look(never)).toBe(true);
    const tree = source.held();
    expect(tree?.commit).toEqual({ id: first, author: 'Ann <ann@example.com>', signature: { state: 'none' } });
    expect(readdirSync(tree?.folder ?? '', { recursive: true })).toEqual(['specs', 'specs/a.yaml']);
    expect(await source.look(never)).toBe(false);

    const second = repository.commit({ 'specs/a.yaml': 'two' });
    expect(await source.look(never)).toBe(true);
    expect(readFileSync(join(source.held()?.folder ?? '', 'specs/a.yaml'), 'utf8')).toBe('two');
    // The one before stays for whoever reads it just now, and nothing of the repository itself.
    const commits = kept().map((name) => name.split('-')[0]);
    expect(commits).toEqual([first, second, 'accepted.json'].sort());
    repository.commit({ 'specs/a.yaml': 'three' });
    await source.look(never);
    expect(kept().join()).not.toContain(first);
  });

  test('goes on by the next run with what was taken, also while nobody answers', async () => {
    const id = repository.commit({ 'specs/a.yaml': 'one' });
    await (await follow()).look(never);
    rmSync(repository.folder, { recursive: true });
    const next = await follow();
    expect(next.held()?.commit.id).toBe(id);
    await expect(next.look(never)).rejects.toMatchObject({ code: 'source-unreachable' });
    expect(next.held()?.commit.id).toBe(id);
  });

  test('a folder that somebody took away is written anew', async () => {
    repository.commit({ 'specs/a.yaml': 'one' });
    const source = await follow();
    await source.look(never);
    rmSync(source.held()?.folder ?? '', { recursive: true });
    expect(await source.look(never)).toBe(true);
    expect(existsSync(join(source.held()?.folder ?? '', 'specs/a.yaml'))).toBe(true);
  });

  test('the same commit taken again, by another program or on other rules, leaves what was taken as it is', async () => {
    const id = repository.commit({ 'specs/a.yaml': 'one' });
    const ann = repository.key('ann@example.com');
    const first = await follow();
    await first.look(never);
    const read = join(first.held()?.folder ?? '', 'specs/a.yaml');
    const inode = statSync(read).ino;
    const other = await follow({ allowedSigners: signers(ann.signer) });
    expect(await other.look(never)).toBe(true);
    expect(other.held()?.commit.id).toBe(id);
    expect(statSync(read).ino).toBe(inode);
    signers(`${ann.signer}# more\n`);
    expect(await other.look(never)).toBe(true);
    expect(readFileSync(join(other.held()?.folder ?? '', 'specs/a.yaml'), 'utf8')).toBe('one');
  });

  test.each([
    ['a place elsewhere', { tree: '..' }],
    ['rules that are none', { rules: 1 }],
    ['a state of its signature that there is none of', { signature: { state: 'fine' } }],
    ['a signer who has no name', { signature: { state: 'good' } }],
    ['an author without an end', { author: 'x'.repeat(201) }],
  ])('a note is a claim: of one with %s nothing is believed', async (_, { tree, rules, ...commit }: Note) => {
    repository.commit({ 'specs/a.yaml': 'one' });
    await (await follow()).look(never);
    const [folder = ''] = readdirSync(join(repository.root, 'state'));
    const file = join(repository.root, 'state', folder, 'accepted.json');
    const note = JSON.parse(readFileSync(file, 'utf8'));
    const claimed = { tree: tree ?? note.tree, rules: rules ?? note.rules, commit: { ...note.commit, ...commit } };
    writeFileSync(file, JSON.stringify(claimed));
    expect((await follow()).held()).toBeUndefined();
    writeFileSync(file, JSON.stringify(note));
    expect((await follow()).held()).toBeDefined();
  });

  test.each([
    [
      'a branch',
      { branch: 'gone' },
      { code: 'file-not-found', message: /branch gone of file:.* is not there/, hint: /--branch/ },
    ],
    [
      'a path',
      { path: 'nothing/here' },
      { code: 'file-not-found', message: /has nothing at nothing\/here in commit/, hint: /^--path / },
    ],
    [
      'a repository',
      { url: 'file:///nowhere' },
      { code: 'source-unreachable', message: /cannot be asked: '\/nowhere' does not appear to be a git repository$/ },
    ],
    ['a password is not told', { url: 'http://ann:hunter2@127.0.0.1:1/x' }, { message: /^http:\/\/127/ }],
    [
      'a token in the place of a name is not told',
      { url: 'http://hunter2@127.0.0.1:1/x' },
      { message: /^http:\/\/127/ },
    ],
    [
      'nor one in a query',
      { url: 'http://127.0.0.1:1/x?token=hunter2' },
      { message: /^http:\/\/127\.0\.0\.1:1\/x cannot/ },
    ],
  ])('that is not there changes nothing: %s', async (_, more, expected) => {
    repository.commit({ 'specs/a.yaml': 'one' });
    const source = await follow(more);
    const error = await source.look(never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      ...('code' in expected ? { code: expected.code } : {}),
      message: expect.stringMatching(expected.message),
      ...('hint' in expected ? { hint: expect.stringMatching(expected.hint) } : {}),
    });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(source.held()).toBeUndefined();
    expect(kept()).toEqual([]);
  });

  test('a repository without a commit has no head to follow', async () => {
    const source = await follow({ branch: undefined });
    await expect(source.look(never)).rejects.toMatchObject({
      code: 'file-not-found',
      message: `${repository.url} holds no commit that it calls its head`,
    });
  });

  test('follows what the repository calls its head where no branch is named, and a file as its path', async () => {
    const id = repository.commit({ 'specs/a.yaml': 'one' });
    const source = await follow({ branch: undefined, path: 'specs/a.yaml' });
    await source.look(never);
    expect(source.held()?.commit.id).toBe(id);
  });

  test('a branch that goes backwards is refused, by the next run as well, and taken where that is allowed', async () => {
    const first = repository.commit({ 'specs/a.yaml': 'one' });
    const second = repository.commit({ 'specs/a.yaml': 'two' });
    const source = await follow();
    await source.look(never);
    repository.git('reset', '--quiet', '--hard', first);
    const backwards = { code: 'refused', message: expect.stringContaining(`${first} does not follow ${second}`) };
    await expect(source.look(never)).rejects.toMatchObject(backwards);
    await expect((await follow()).look(never)).rejects.toMatchObject(backwards);
    expect(source.held()?.commit.id).toBe(second);

    // What comes after it again is taken, by a server too that has thrown the one before away.
    const other = repository.commit({ 'specs/a.yaml': 'other' });
    await expect(source.look(never)).rejects.toMatchObject({ code: 'refused' });
    repository.git('reflog', 'expire', '--expire=now', '--all');
    repository.git('gc', '--quiet', '--prune=now');
    await expect(source.look(never)).rejects.toMatchObject({ code: 'refused' });
    const allowed = await follow({ allowRewind: true });
    expect(await allowed.look(never)).toBe(true);
    expect(allowed.held()?.commit.id).toBe(other);
  });

  test('a repository is the same one with another token in its URL', async () => {
    const first = repository.commit({ 'specs/a.yaml': 'one' });
    const second = repository.commit({ 'specs/a.yaml': 'two' });
    const withLogin = (login: string, environment: Record<string, string> = {}) =>
      follow({ url: `https://${login}host/r` }, { ...process.env, ...environment });
    // Git takes it from this machine under all of these names.
    const insteadOf = (login: string) => ({
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `url.${repository.url}.insteadOf`,
      GIT_CONFIG_VALUE_0: `https://${login}host/r`,
    });
    await (await withLogin('a:one@', insteadOf('a:one@'))).look(never);
    repository.git('reset', '--quiet', '--hard', first);
    for (const login of ['a:two@', 'b@', 'x:p@ss@', '']) {
      const next = await withLogin(login, insteadOf(login));
      expect(next.held()?.commit.id).toBe(second);
      await expect(next.look(never)).rejects.toMatchObject({ code: 'refused' });
    }
    expect(readdirSync(join(repository.root, 'state'))).toHaveLength(1);
    expect((await follow({ url: 'ssh://ann@host/r' })).held()).toBeUndefined();
    expect((await follow({ url: 'https://host/r?of=another' })).held()).toBeUndefined();
  });

  test('a server that gives no commit by its id is asked for all there is, and the proof holds', async () => {
    repository.commit({ 'specs/a.yaml': 'one' });
    // The older protocol gives what has a name alone, as servers do that hear of no newer one over ssh.
    repository.git('config', 'uploadpack.allowAnySHA1InWant', 'false');
    const old = {
      ...process.env,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'protocol.version',
      GIT_CONFIG_VALUE_0: '0',
    };
    const source = await follow({}, old);
    await source.look(never);
    const next = repository.commit({ 'specs/a.yaml': 'two' });
    expect(await source.look(never)).toBe(true);
    expect(source.held()?.commit.id).toBe(next);
  });

  test('signed: by whom is told, and only what an allowed signer signed is taken where that is required', async () => {
    const [ann, eve] = [repository.key('ann@example.com'), repository.key('eve@example.com')];
    const allowedSigners = signers(ann.signer);
    const signed = repository.commit({ 'specs/a.yaml': 'one' }, ann);
    const unchecked = await follow();
    await unchecked.look(never);
    expect(unchecked.held()?.commit.signature).toEqual({ state: 'unchecked' });

    // Whatever Git shows of signatures by itself.
    const shown = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'log.showSignature', GIT_CONFIG_VALUE_0: 'true' };
    const source = await follow({ allowedSigners, requireSigned: true }, { ...process.env, ...shown });
    // What was taken on other rules is looked at anew.
    expect(source.held()).toBeUndefined();
    await source.look(never);
    expect(source.held()?.commit).toMatchObject({ id: signed, signature: { state: 'good', by: 'ann@example.com' } });

    repository.commit({ 'specs/a.yaml': 'two' }, eve);
    const byNobody = {
      code: 'refused',
      message: expect.stringContaining('is signed by nobody of the allowed signers'),
    };
    await expect(source.look(never)).rejects.toMatchObject(byNobody);
    repository.commit({ 'specs/a.yaml': 'three' });
    await expect(source.look(never)).rejects.toMatchObject({ message: expect.stringContaining('is not signed') });
    expect(source.held()?.commit.id).toBe(signed);

    const told = await follow({ allowedSigners });
    await told.look(never);
    expect(told.held()?.commit.signature).toEqual({ state: 'none' });
    const last = repository.commit({ 'specs/a.yaml': 'four' }, ann);
    await source.look(never);
    expect(source.held()?.commit.id).toBe(last);
  });

  test('whose way leaves a program behind ends when it is given up, whoever holds its pipes', async () => {
    const source = await follow(
      { url: 'ssh://example.invalid/x' },
      { ...process.env, GIT_SSH_COMMAND: "sh -c 'sleep 60 >/dev/null & exit 1' --" },
    );
    const looking = source.look(AbortSignal.timeout(1_000));
    await expect(looking).rejects.toMatchObject({ name: 'TimeoutError' });
  }, 30_000);

  test('an author is a name and one address, whatever else stands in the commit', async () => {
    const id = repository.commit({ 'specs/a.yaml': 'one' });
    const forged = repository
      .git('cat-file', 'commit', id)
      .replace(/^author .*>/m, 'author Boss <boss@example.com>, signed by boss@example.com <e@example.com>');
    repository.take(forged);
    const source = await follow();
    await source.look(never);
    expect(source.held()?.commit).toMatchObject({ author: 'unknown', signature: { state: 'none' } });
  });

  test('signed: a list of signers that is empty, gone or in the repository lets nothing in', async () => {
    const [ann, eve] = [repository.key('ann@example.com'), repository.key('eve@example.com')];
    repository.commit({ 'specs/a.yaml': 'one', '.git-allowed': eve.signer }, eve);
    repository.git('config', 'gpg.ssh.allowedSignersFile', join(repository.folder, '.git-allowed'));
    const rules = { allowedSigners: signers(''), requireSigned: true };
    const source = await follow(rules);
    await expect(source.look(never)).rejects.toMatchObject({ code: 'refused' });
    signers(ann.signer);
    await expect(source.look(never)).rejects.toMatchObject({ code: 'refused' });
    rmSync(rules.allowedSigners);
    await expect(source.look(never)).rejects.toMatchObject({ code: 'file-not-found' });
    await expect(follow(rules)).rejects.toMatchObject({ code: 'file-not-found' });
  });

  test('nothing in it is run or followed: hooks of the user, links, submodules', async () => {
    const ran = join(repository.root, 'ran');
    const hooks = join(repository.root, 'hooks');
    mkdirSync(hooks);
    for (const hook of ['post-checkout', 'reference-transaction']) {
      writeFileSync(join(hooks, hook), `#!/bin/sh\necho ${hook} >> '${ran}'\n`);
      chmodSync(join(hooks, hook), 0o755);
    }
    repository.commit({ 'specs/a.yaml': 'one' });
    symlinkSync('/etc/passwd', join(repository.folder, 'specs', 'link.yaml'));
    repository.git('add', '--all');
    repository.git(
      'update-index',
      '--add',
      '--cacheinfo',
      `160000,${repository.git('rev-parse', 'HEAD')},specs/module`,
    );
    repository.git('commit', '--quiet', '-m', 'more');
    const environment = {
      ...process.env,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.hooksPath',
      GIT_CONFIG_VALUE_0: hooks,
    };
    const source = await follow({}, environment);
    await source.look(never);
    const folder = join(source.held()?.folder ?? '', 'specs');
    expect(readFileSync(join(folder, 'link.yaml'), 'utf8')).toBe('/etc/passwd');
    expect(existsSync(join(folder, 'module', '.git'))).toBe(false);
    expect(existsSync(ran)).toBe(false);
  });

  test('a token is not told where Git asks for what belongs to it', async () => {
    const server = createHttpServer((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic' }).end());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const source = await follow({ url: `http://hunter2@127.0.0.1:${port}/x` });
    const error = await source.look(never).catch((thrown: unknown) => thrown);
    server.close();
    expect(error).toMatchObject({ code: 'source-unreachable' });
    expect(`${error}${JSON.stringify(error)}`).not.toContain('hunter2');
  });

  test('programs of the user that a file in it names are not run, and its files are written as they are', async () => {
    const ran = join(repository.root, 'ran');
    repository.commit({
      'specs/a.yaml': 'one\n$Id$\n',
      'specs/.gitattributes': 'a.yaml filter=mine ident eol=crlf',
    });
    const source = await follow(
      {},
      {
        ...process.env,
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'filter.mine.smudge',
        GIT_CONFIG_VALUE_0: `touch '${ran}'; cat`,
      },
    );
    await source.look(never);
    expect(readFileSync(join(source.held()?.folder ?? '', 'specs/a.yaml'), 'utf8')).toBe('one\n$Id$\n');
    expect(existsSync(ran)).toBe(false);
  });

  test('settings of a repository that looms is started in are not those of whoever starts it', async () => {
    repository.commit({ 'specs/a.yaml': 'one' });
    repository.git('config', `url.file:///nowhere/.insteadOf`, 'file:///');
    const before = process.cwd();
    process.chdir(repository.folder);
    try {
      const source = await follow();
      expect(await source.look(never)).toBe(true);
    } finally {
      process.chdir(before);
    }
  });

  test('a signer who is no longer allowed has signed nothing, also what was taken already', async () => {
    const [ann, eve] = [repository.key('ann@example.com'), repository.key('eve@example.com')];
    const rules = { allowedSigners: signers(ann.signer), requireSigned: true };
    repository.commit({ 'specs/a.yaml': 'one' }, ann);
    const source = await follow(rules);
    expect(await source.look(never)).toBe(true);
    expect(await source.look(never)).toBe(false);
    signers(eve.signer);
    await expect(source.look(never)).rejects.toMatchObject({ code: 'refused' });
    signers(`${eve.signer}${ann.signer}`);
    expect(await source.look(never)).toBe(true);
  });

  test.each([
    ['files', { files: 2 }, /more than 2 files/],
    ['bytes', { bytes: 10_000 }, /more than 10000 bytes/],
    ['bytes to fetch', { fetched: 1_000 }, /more than 1000 bytes/],
  ])('one that holds too much is refused, and leaves nothing: %s', async (_, more, message) => {
    repository.commit({
      'specs/a.yaml': 'one',
      'specs/b.yaml': 'two',
      'specs/c.bin': randomBytes(20_000).toString('hex'),
    });
    const source = await follow({}, process.env, more);
    await expect(source.look(never)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(message),
    });
    expect(source.held()).toBeUndefined();
    expect(kept()).toEqual([]);
  });

  test('folders within folders that name the same files ten billion times are refused before they are written', async () => {
    repository.commit({ 'specs/a.yaml': 'one' });
    let tree = repository.git('rev-parse', 'HEAD:specs');
    const input = (): string => Array.from({ length: 10 }, (_, at) => `040000 tree ${tree}\td${at}\n`).join('');
    for (let depth = 0; depth < 10; depth += 1) tree = repository.makeTree(input());
    const commit = repository.git(
      'commit-tree',
      '-m',
      'bomb',
      '-p',
      'HEAD',
      repository.makeTree(`040000 tree ${tree}\tspecs\n`),
    );
    repository.git('update-ref', 'refs/heads/main', commit);
    const source = await follow({}, process.env, { files: 1_000 });
    await expect(source.look(never)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/more than \d+ files/),
    });
    expect(kept()).toEqual([]);
  });

  test('a repository that Git is in by its environment is not taken for it', async () => {
    const id = repository.commit({ 'specs/a.yaml': 'one' });
    const source = await follow({}, { ...process.env, GIT_DIR: '/nowhere', GIT_WORK_TREE: '/nowhere' });
    await source.look(never);
    expect(source.held()?.commit.id).toBe(id);
  });

  test('Git that is not installed is told', async () => {
    const source = await follow({}, { ...process.env, PATH: '/nowhere' });
    await expect(source.look(never)).rejects.toMatchObject({
      code: 'source-unreachable',
      message: 'Git cannot be run',
    });
  });

  test('a look that waits for another is given up by itself, and the other goes on', async () => {
    const server = createServer(() => {});
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const ending = new AbortController();
    const connected = new Promise((resolve) => server.once('connection', resolve));
    const source = await follow({ url: `http://127.0.0.1:${port}/x` });
    let isOver = false;
    const first = source.look(ending.signal).finally(() => {
      isOver = true;
    });
    await connected;
    const limit = new AbortController();
    const second = source.look(limit.signal);
    limit.abort(new Error('no time left'));
    await expect(second).rejects.toThrow('no time left');
    await expect(source.look(limit.signal)).rejects.toThrow('no time left');
    expect(isOver).toBe(false);
    ending.abort();
    await expect(first).rejects.toBeDefined();
    server.close();
  });

  test('a server that never answers is left at the end of the loop, with all that was started for it', async () => {
    const server = createServer(() => {});
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const ending = new AbortController();
    const connected = new Promise((resolve) => server.once('connection', resolve));
    const source = await follow({ url: `http://127.0.0.1:${port}/x` });
    const look = source.look(ending.signal);
    await connected;
    ending.abort();
    await expect(look).rejects.toBeDefined();
    // What was killed with its parent takes a moment to be gone.
    await eventually(() => {
      const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
      expect(processes).not.toContain(`http://127.0.0.1:${port}/x`);
    }, 5_000);
    server.close();
  });
});
