import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { ContextFile, Recipe } from '../../../model/recipe.ts';

/** All entries get this time, so that the engine's build cache sees the same context in the same files. */
const epoch = new Date(0);

/**
 * A recipe's context as a tar archive, its Dockerfile included. All belongs to root, whatever the user's id here.
 */
export function contextTar(recipe: Recipe): Readable {
  const archive = pack();
  const dockerfile: ContextFile = {
    path: recipe.dockerfilePath,
    content: new TextEncoder().encode(recipe.dockerfile),
    mode: 0o644,
  };
  const others = recipe.files.filter((file) => file.path !== dockerfile.path);
  for (const { path, content, mode, linkTarget } of [dockerfile, ...others]) {
    const header = { name: path, mode, mtime: epoch, uid: 0, gid: 0 };
    if (linkTarget === undefined) archive.entry(header, Buffer.from(content));
    else archive.entry({ ...header, type: 'symlink', linkname: linkTarget });
  }
  archive.finalize();
  return Readable.from(archive);
}
