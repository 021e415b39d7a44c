import { homedir } from 'node:os';
import { isAbsolute, join, posix, resolve } from 'node:path';
import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { LoadedSpecs } from '../../app/plan/load-specs.ts';
import type { WatchOptions } from '../../app/watch/watch-project.ts';
import { isFailure, LoomsError, withHint } from '../../model/errors.ts';
import { stateFolder } from '../../model/state-folder.ts';
import type { CommandContext } from '../context.ts';
import { needs, type specFlags } from '../flags.ts';
import { readUsableSpecs } from './specs.ts';

/** For commands that follow specs in a Git repository. */
export const gitFlags = {
  git: Flags.string({
    description: 'follow the specs of a Git repository, with the git, keys and credentials of this user, instead of -f',
    helpValue: 'URL',
    exclusive: ['file'],
  }),
  branch: Flags.string({
    description: 'the branch of --git: default is what the repository calls its head',
    helpValue: 'NAME',
    relationships: needs('git'),
  }),
  path: Flags.string({
    description: 'the spec file or folder in the repository of --git: default is its top',
    helpValue: 'PATH',
    relationships: needs('git'),
  }),
  'allowed-signers': Flags.string({
    description: 'whose ssh signatures of commits count, as in `man ssh-keygen`, ALLOWED SIGNERS',
    helpValue: 'FILE',
    relationships: needs('git'),
  }),
  'require-signed': Flags.boolean({
    description: 'take only commits that one of the allowed signers signed',
    relationships: needs('git', 'allowed-signers'),
  }),
  'allow-rewind': Flags.boolean({
    description: 'also take a commit that does not follow the last one, as after a forced push',
    relationships: needs('git'),
  }),
};

/** Which specs a loop reads, of files or of a repository. */
type WatchedSpecs = InferredFlags<typeof gitFlags & Pick<typeof specFlags, 'strict'>>;

/** Specs of a repository that is followed. */
export type RemoteSpecs = {
  readonly source: NonNullable<WatchOptions['remote']>;
  /** Of what was taken last, for a command with these policies. */
  readonly read: (now: CommandContext) => Promise<LoadedSpecs>;
};

/** The path in the repository, as Git writes it. Throws `usage` for one that leads out of it. */
function pathInside(path: string): string {
  const plain = posix.normalize(path).replace(/\/$/, '');
  if (!isAbsolute(plain) && plain !== '..' && !plain.startsWith('../')) return plain;
  throw new LoomsError('usage', `--path takes a path in the repository, not ${path}`);
}

/** Follows the repository that flags name; undefined where none is. Throws what `Files.followGit` throws. */
export async function remoteSpecs(flags: WatchedSpecs, context: CommandContext): Promise<RemoteSpecs | undefined> {
  const { git: url, branch, 'allowed-signers': signers } = flags;
  if (url === undefined) return undefined;
  const { ports, project } = context;
  const path = pathInside(flags.path ?? '.');
  const source = await ports.files.followGit({
    // One that is a folder of this machine is found from wherever git is started.
    url:
      (await ports.files.kindOf(resolve(ports.workingDirectory, url))) === 'folder'
        ? resolve(ports.workingDirectory, url)
        : url,
    branch,
    path,
    allowedSigners: signers === undefined ? undefined : resolve(ports.workingDirectory, signers),
    requireSigned: flags['require-signed'],
    allowRewind: flags['allow-rewind'],
    folder: join(stateFolder(ports.environment, homedir), 'git', project.name),
  });
  const read: RemoteSpecs['read'] = async (now) => {
    const tree = source.held();
    if (tree === undefined) throw new LoomsError('source-unreachable', 'nothing was taken from the repository yet');
    const inTree = { ...now, ports: { ...ports, workingDirectory: tree.folder } };
    const loaded = await readUsableSpecs({ file: [path], strict: flags.strict }, inTree, true, tree.commit).catch(
      (error: unknown) => {
        if (!isFailure(error, 'file-not-found') || flags.path === undefined) throw error;
        throw withHint(error, `--path ${flags.path} is where the specs are looked for in the repository`);
      },
    );
    requireNoMounts(loaded, tree.folder);
    return loaded;
  };
  return { source, read };
}

/** Each commit has a folder of its own, so a mount of it would be another one with each, and gone with the next. */
function requireNoMounts({ servers }: LoadedSpecs, folder: string): void {
  for (const { spec, source } of servers) {
    for (const mount of spec.mounts) {
      if (mount.type !== 'bind' || !mount.source.startsWith(folder)) continue;
      throw new LoomsError(
        'refused',
        `${source.file}:${source.line}: ${spec.name} mounts ${mount.source.slice(folder.length + 1) || '.'} of the repository, which is not kept`,
        { hint: 'name a volume, a folder of the machine by its whole path, or build the files into the image' },
      );
    }
  }
}
