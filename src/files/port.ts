import type { ContextFile } from '../model/container/recipe.ts';
import type { ImageSource } from '../model/desired.ts';
import type { GitCommit } from '../model/source.ts';

/** Why a file was not read or written: `code` is the system's (`ENOENT`, `EACCES` …), `message` says it in words. */
export type FileFailure = {
  readonly done: false;
  readonly why: 'missing' | 'exists' | 'changed' | 'other';
  readonly code: string;
  readonly message: string;
  readonly cause: unknown;
};

type FileRead = { readonly done: true; readonly text: string } | FileFailure;
export type FileWrite = { readonly done: true } | FileFailure;

/** Numbers of the owners, permission bits as in `chmod`, and whether it is a folder. */
export type FileAccess = {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly isFolder: boolean;
};

/** A folder, a link or a file that a path goes through: whose it is, and its permission bits as in `chmod`. */
export type PathHop = {
  readonly path: string;
  readonly kind: 'folder' | 'link' | 'other';
  readonly uid: number;
  readonly mode: number;
};

/** What a path goes through, and the link that leads nowhere, where one does. */
export type PathWay = { readonly hops: readonly PathHop[]; readonly deadLink?: string };

/** Files of a build, under the paths that `recipeFor` expects, and the main one among them. */
export type ReadFiles = { readonly files: readonly ContextFile[]; readonly entry?: string };

/** A file by the name that it is told by, and the folder that it is in. */
export type NamedFile = { readonly file: string; readonly directory: string };

/** What of which repository is wanted, and on which rules it is taken. */
export type GitPlace = {
  readonly url: string;
  /** Undefined: what the repository itself calls its head. */
  readonly branch: string | undefined;
  /** File or folder, relative to the top of the repository. */
  readonly path: string;
  /** Whose ssh signatures count: an absolute path of a file (man ssh-keygen, ALLOWED SIGNERS). */
  readonly allowedSigners: string | undefined;
  /** Only commits that one of them signed are taken. */
  readonly requireSigned: boolean;
  /** Also a commit that does not follow the last one is taken. */
  readonly allowRewind: boolean;
  /** Where what was taken is kept; its owner's alone. */
  readonly folder: string;
};

/** A commit, and the folder with what it holds below the path that is wanted, at that path. */
export type GitTree = { readonly commit: GitCommit; readonly folder: string };

/** A branch of a repository that is followed. */
export type GitSource = {
  /** What was taken last, also by an earlier run on the same rules; undefined when nothing was. */
  readonly held: () => GitTree | undefined;
  /** Takes what is newer; whether something was. Throws what is in the way of that, with nothing changed. */
  readonly look: (signal: AbortSignal) => Promise<boolean>;
};

/** The files of the machine that looms runs on, and what Git says of them. All paths are absolute. */
export type Files = {
  /** As UTF-8; bytes that are none become U+FFFD. */
  readonly readText: (path: string) => Promise<FileRead>;
  /** The same of a regular file of at most `mostBytes`, links followed: a pipe would be waited for, a device has no end. */
  readonly readRegular: (path: string, mostBytes: number) => Promise<FileRead>;
  /** What is there, links followed; undefined where nothing is that can be looked at. */
  readonly kindOf: (path: string) => Promise<'file' | 'folder' | 'other' | undefined>;
  /** Who may use what is there, links followed; undefined where nothing is, and on Windows. */
  readonly accessOf: (path: string) => Promise<FileAccess | undefined>;
  /** What a path goes through, from the root on, links and what they lead through as well. */
  readonly wayTo: (path: string) => Promise<PathWay>;
  /** Whether there is a link, wherever it leads. */
  readonly isLink: (path: string) => Promise<boolean>;
  /** Where a path leads, links followed; undefined where nothing is. */
  readonly realPath: (path: string) => Promise<string | undefined>;
  /** Files in or below `folder` that match a glob, absolute, in no order. */
  readonly matching: (patterns: readonly string[], folder: string) => Promise<readonly string[]>;
  /** Makes a file, and fails with `exists` where one of that name is; a link is one too, and is not followed. */
  readonly create: (path: string, content: string | Uint8Array) => Promise<FileWrite>;
  /** Writes a file, over one that is there. */
  readonly overwrite: (path: string, content: string) => Promise<FileWrite>;
  /** Puts a file there whole or not at all, over one that is there; `mode` as in `chmod`. */
  readonly replace: (path: string, content: string, mode: number) => Promise<FileWrite>;
  /**
   * The same for a file that others write too: `before` is its text as it was read, undefined where there was none. Fails
   * with `changed` where it is another one by now, and writes nothing then. Mode and owner of one that is there stay, and
   * it is no link; a new one is its user's alone (0600). Without content the file goes.
   */
  readonly rewrite: (path: string, content: string | undefined, before: string | undefined) => Promise<FileWrite>;
  /** Makes a folder and those above it; one that is there is no failure. */
  readonly makeFolder: (path: string) => Promise<FileWrite>;
  /**
   * The files that an image source names; its relative paths start at `directory`. Throws `file-not-found` naming the
   * file as written, `spec-invalid` for what leads out of the folder or is more than 256 MiB.
   */
  readonly readContext: (source: ImageSource, directory: string) => Promise<ReadFiles>;
  /** The extra CA bundle that builds on this machine shall trust, where there is one. Throws `file-not-found`. */
  readonly readBuildCa: () => Promise<Uint8Array | undefined>;
  /**
   * Calls `changed` when something in these folders may have changed, not in those below them, until the signal aborts; a
   * hint, which the system may lose or give twice.
   */
  readonly watchFolders: (folders: readonly string[], changed: () => void, signal: AbortSignal) => void;
  /** The Git commits of files by their names; those that are in no checkout are left out. Never fails. */
  readonly commitsOf: (files: readonly NamedFile[]) => Promise<ReadonlyMap<string, string>>;
  /** Follows a repository with the user's own Git (git-source.ts says what its `look` throws). */
  readonly followGit: (place: GitPlace) => Promise<GitSource>;
};
