/** One file of a build context. Directories come from the files' paths. */
export type ContextFile = {
  /** Path inside the context, with `/`. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits, e.g. 0o644. */
  readonly mode: number;
  /** Present: a symbolic link to this path, with no content. */
  readonly linkTarget?: string;
};

/** Everything a build needs, and the name it results in. */
export type Recipe = {
  /** `looms/<kind>:<hash>`: hash of the Dockerfile text and of every file that goes in. */
  readonly ref: string;
  readonly dockerfile: string;
  /** Path of the Dockerfile inside the context. */
  readonly dockerfilePath: string;
  readonly files: readonly ContextFile[];
  /** The image it starts from, when the recipe is ours; absent for a Dockerfile of the user. */
  readonly base?: string;
  readonly platform?: string;
  /** false: no step's result is taken from the engine's build cache, and packages are fetched anew. */
  readonly useBuildCache: boolean;
  /** Whether a successful build proves that the image has a shell and `sleep`; otherwise the engine adapter looks. */
  readonly provesShell: boolean;
};

/** Folder of a build context that holds package.json and its lock; in the image it lies under /opt. */
export const appFolder = 'looms-app';
