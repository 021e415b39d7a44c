import type { ArgvTemplate } from '../../model/container/argv.ts';
import type { TmpfsMount } from '../../model/container/tmpfs.ts';
import { ownedBy } from '../../model/container/tmpfs.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import type { ImageId } from '../../model/ids.ts';
import type { ContainerShape, ImageFacts, ShapeTemplate } from './shape.ts';

/** Where an HTTP server's wrapper finds its secrets: on an anonymous volume that goes with the container. */
export const secretsFilePath = '/run/looms/secrets.env';

/** PID 1 of a stdio server: idle under the engine's init; sessions are execs beside it (docs/architecture.md). */
const idle = { entrypoint: ['sleep'], command: ['infinity'] } as const;

/** The working directory of a server whose image has another one, or none. */
export const workingDirTmpfs: TmpfsMount = { sizeBytes: 64 * 1024 * 1024, exec: false, mode: '1777' };

/** The argv of a server: the spec's, else the image's. Throws `spec-invalid` when neither names a program. */
export function resolveArgv(
  template: ArgvTemplate,
  facts: Pick<ImageFacts, 'ref' | 'entrypoint' | 'command'>,
): string[] {
  // A spec that names a program does not inherit the image's arguments, as with kubectl's `command`.
  const command = template.command ?? (template.entrypoint === undefined ? facts.command : []);
  const argv = [...(template.entrypoint ?? facts.entrypoint), ...command];
  if (argv.length === 0) {
    throw new LoomsError('spec-invalid', `image ${facts.ref} names no program to run`, {
      hint: 'set mcp_server.command',
    });
  }
  return argv;
}

/** Reads a server's secrets and then becomes the server, whose argv follows. */
const secretsShell = ['/bin/sh', '-c', `. ${secretsFilePath} && exec "$@"`, 'looms'];

/** Whether a container's entrypoint is only the way to its server. */
export const isSecretsShell = (entrypoint: readonly string[]): boolean =>
  entrypoint.length === secretsShell.length && secretsShell.every((word, index) => entrypoint[index] === word);

function processOf(
  template: ShapeTemplate,
  facts: ImageFacts,
): Pick<ContainerShape, 'entrypoint' | 'command' | 'openStdin'> {
  const pidOne = template.pidOne;
  switch (pidOne.kind) {
    case 'fixed':
      return { entrypoint: pidOne.argv.slice(0, 1), command: pidOne.argv.slice(1), openStdin: false };
    case 'idle': {
      if (facts.hasShell !== false) return { ...idle, openStdin: false };
      // Nothing to idle with: the server itself waits on a stdin that stays open.
      const argv = resolveArgv(pidOne.server, facts);
      return { entrypoint: argv.slice(0, 1), command: argv.slice(1), openStdin: true };
    }
    case 'server': {
      const argv = resolveArgv(pidOne.server, facts);
      if (!pidOne.secretsFile) return { entrypoint: argv.slice(0, 1), command: argv.slice(1), openStdin: false };
      if (facts.hasShell === false) {
        throw new LoomsError(
          'image-without-shell',
          `image ${facts.ref} has no shell to read the server's secrets with`,
          { hint: 'use an image with /bin/sh, or a stdio transport, where secrets reach the session itself' },
        );
      }
      return { entrypoint: secretsShell, command: argv, openStdin: false };
    }
    default:
      return assertNever(pidOne);
  }
}

/** Stands for an image that is not on the engine: only fields that no image decides are compared against it. */
export const unknownImage = (id: ImageId, ref: string): ImageFacts => ({
  id,
  ref,
  digests: [],
  entrypoint: [],
  command: ['-'],
  env: {},
  workingDir: '',
  user: '',
  labels: {},
  architecture: '',
  hasShell: true,
});

/** Whether `path` lies at or below `folder`. */
export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder.replace(/\/$/, '')}/`);

/** Whether one of two paths lies at or below the other. */
export const overlaps = (a: string, b: string): boolean => isWithin(a, b) || isWithin(b, a);

/**
 * Fills in what the image decides: program, working directory, and which variables the image sets already. The working
 * directory is made writable by a tmpfs unless it is the image's own WORKDIR or something is mounted there
 * (docs/spec.md, `working_dir`).
 * Throws `spec-invalid` or `image-without-shell` when this image cannot run this server.
 */
export function resolveShape(template: ShapeTemplate, facts: ImageFacts): ContainerShape {
  const { pidOne: _, workingDir: wanted, ...fixed } = template;
  const imageDir = facts.workingDir === '/' ? '' : facts.workingDir;
  const workingDir = wanted.kind === 'own' && imageDir !== '' ? imageDir : wanted.path;
  const mounted = [...template.mounts.map((mount) => mount.target), ...Object.keys(template.tmpfs)];
  const needsTmpfs = workingDir !== imageDir && !mounted.some((target) => isWithin(workingDir, target));
  const env = 'HOME' in template.env || 'HOME' in facts.env ? template.env : { ...template.env, HOME: '/tmp' };
  return {
    ...fixed,
    ...processOf(template, facts),
    imageId: facts.id,
    workingDir,
    tmpfs: needsTmpfs ? { ...template.tmpfs, [workingDir]: ownedBy(template.user, workingDirTmpfs) } : template.tmpfs,
    env: Object.fromEntries(
      Object.entries(env)
        .filter(([key, value]) => facts.env[key] !== value)
        .sort(),
    ),
  };
}
