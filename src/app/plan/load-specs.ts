import type { FileAccess, Files } from '../../files/port.ts';
import { recipeFor } from '../../image/recipe.ts';
import type { Recipe } from '../../model/container/recipe.ts';
import type { DeclaredServer, DesiredServer, ImageSource, ResolvedImage, Source } from '../../model/desired.ts';
import { type Diagnostic, hasErrors, type SourceText } from '../../model/diagnostics.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Place } from '../../model/place.ts';
import type { Policies } from '../../model/policy.ts';
import { commitWords, type GitCommit } from '../../model/source.ts';
import { defined } from '../../model/values/defined.ts';
import { breachDiagnostic, checkFaulty, checkPolicy } from '../../spec/check/policy.ts';
import { checkQuotas } from '../../spec/check/quotas.ts';
import { type HostPath, refusedEngine, refusedHostPath } from '../../spec/fields/mounts.ts';
import type { ReadServer } from '../../spec/fields/normalize.ts';
import {
  type FaultyServer,
  type FieldLocation,
  type LoadedServer,
  loadDocuments,
  type SpecFile,
} from '../../spec/load.ts';
import { sortDiagnostics } from '../../spec/read/findings.ts';
import { specHash } from '../../spec/record/record.ts';
import type { Ports } from '../ports.ts';
import { readSpecFiles } from './spec-files.ts';

/** A spec without an error in it, and how to make its image; null for one that is used as it is. */
type CheckedServer = {
  readonly spec: DesiredServer;
  readonly source: Source;
  readonly recipe: Recipe | null;
  readonly lineOf: NonNullable<DeclaredServer['lineOf']>;
  readonly place?: Place;
};

/** All files of one run, parsed: servers only when there is no error in any of them. */
export type CheckedSpecs = {
  readonly servers: readonly CheckedServer[];
  readonly diagnostics: readonly Diagnostic[];
  /** For code frames. */
  readonly texts: readonly SourceText[];
  readonly files: readonly string[];
  /** Where a field of a sound server stands; its path is as diagnostics have it. */
  readonly locate: (server: ServerName, path: string) => FieldLocation | undefined;
};

/** The servers of checked specs as they are declared to an engine, with the hashes by which a change is seen. */
export type LoadedSpecs = Omit<CheckedSpecs, 'servers'> & {
  readonly servers: readonly DeclaredServer[];
  /** How to make the images that are built, by reference. */
  readonly recipes: ReadonlyMap<string, Recipe>;
};

type LoadOptions = {
  readonly paths: readonly string[];
  readonly strict: boolean;
  /** A breach is a finding whose code starts with `policy-`. */
  readonly policies: Policies;
  readonly project: ProjectName;
  /** The Git commit that all files are of, or whether Git shall be asked for it, which costs a process for each folder. */
  readonly commits: 'none' | 'ask' | GitCommit;
};

/** Commit and author of a file, as its source has them. */
async function commitsFor(
  files: Files,
  read: readonly SpecFile[],
  commits: LoadOptions['commits'],
): Promise<(file: string) => Pick<Source, 'commit' | 'commitBy'>> {
  if (commits === 'none') return () => ({});
  if (commits !== 'ask') {
    const known = { commit: commits.id, commitBy: commitWords(commits) };
    return () => known;
  }
  const found = await files.commitsOf(read);
  return (file) => defined({ commit: found.get(file) });
}

/** How to make the image of a server, null for one that is used as it is. Throws what reading its files throws. */
export async function recipeOf(
  files: Files,
  spec: DesiredServer,
  source: Pick<Source, 'directory'>,
  extraCa: Uint8Array | undefined,
): Promise<Recipe | null> {
  if (spec.image.kind === 'image') return null;
  const read = await files.readContext(spec.image, source.directory);
  return recipeFor(spec.image, {
    ...read,
    ...defined({ platform: spec.platform, extraCa }),
  });
}

/** A file that a spec names and that cannot be read is a finding about the spec, at the place that names it. */
const findingOf = (error: LoomsError, path: string, place: FieldLocation): Diagnostic => ({
  severity: 'error',
  code: error.code,
  message: error.message,
  position: place.position,
  length: place.length,
  path,
  related: [],
  ...(error.hint === undefined ? {} : { hint: error.hint }),
});

/** The field of a spec that names the files its image is built from. */
function fileField(image: ImageSource): string {
  switch (image.kind) {
    case 'image':
      return 'docker_backend.base_image';
    case 'python':
      return 'docker_backend.python.requirements_file';
    case 'node':
      return 'docker_backend.node.package_json_file';
    case 'build':
      return 'docker_backend.build_config';
    case 'dockerfile':
      return 'docker_backend.dockerfile_path';
    default:
      return assertNever(image);
  }
}

/** Files that the image of a server with errors names and that are not there. */
async function missingFiles(files: Files, { spec, source, locate }: FaultyServer): Promise<readonly Diagnostic[]> {
  if (spec.image === undefined) return [];
  try {
    await files.readContext(spec.image, source.directory);
    return [];
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    const field = fileField(spec.image);
    return [findingOf(error, field, locate(field))];
  }
}

type HostPaths = {
  readonly findings: readonly Diagnostic[];
  /** Where links lead: the path that is mounted, by the path as the spec means it. */
  readonly real: ReadonlyMap<string, string>;
};

/** What the user of a server cannot do with a host path that it has mounted; the engine would say nothing about it. */
function unusableMount(
  { source, path, readOnly }: HostPath,
  place: FieldLocation,
  { security }: ReadServer,
  access: FileAccess | undefined,
): Diagnostic[] {
  const [, uid = 0, gid = 0] = /^(\d+):(\d+)$/.exec(security.user)?.map(Number) ?? [];
  // What root may do is decided by its capabilities, and what a name or a user alone may do by the image.
  const mayMore = uid === 0 || security.capAdd.some((one) => /^(?:CAP_)?(?:ALL|DAC_.*)$/.test(one));
  if (access === undefined || mayMore) return [];
  const shift = uid === access.uid ? 6 : gid === access.gid ? 3 : 0;
  const rights = (access.mode >> shift) & 7;
  const cannot = [
    ...((rights & 4) === 0 || (access.isFolder && (rights & 1) === 0) ? ['read'] : []),
    ...((rights & 2) === 0 && !readOnly ? ['write'] : []),
  ];
  if (cannot.length === 0) return [];
  const owner = `${access.uid}:${access.gid}, mode ${access.mode.toString(8).padStart(3, '0')}`;
  const error = new LoomsError(
    'refused',
    `the server runs as ${uid}:${gid} and cannot ${cannot.join(' or ')} ${source} (owned by ${owner})`,
    {
      hint: `\`chown ${uid}:${gid} ${source}\`, or set security.user to its owner${cannot.includes('read') ? '' : ', or read_only: true where reading is enough'}`,
    },
  );
  return [{ ...findingOf(error, path, place), code: 'unusable-mount', severity: 'warning' }];
}

/** What looking at host paths takes. */
export type HostLook = Pick<Ports, 'engineIsLocal' | 'engineAt' | 'files'>;

/**
 * Looks at the host paths of mounts, links followed, so that no link brings in what is never mounted. The engine would
 * only say that one is missing once the container is made; on another machine only it can know.
 */
export async function lookAtHostPaths(
  ports: HostLook,
  servers: readonly (LoadedServer | FaultyServer)[],
): Promise<HostPaths> {
  const mounts = servers.flatMap(({ hostPaths, locate, spec }) => hostPaths.map((one) => ({ ...one, locate, spec })));
  if (mounts.length === 0) return { findings: [], real: new Map() };
  const isLocal = await ports.engineIsLocal();
  const real = new Map<string, string>();
  const findings = await Promise.all(
    mounts.map(async ({ locate, spec, ...hostPath }) => {
      const { source, path } = hostPath;
      const target = isLocal ? await ports.files.realPath(source) : source;
      if (target === undefined) {
        const error = new LoomsError('file-not-found', `host path ${source} does not exist`, {
          hint: `mkdir -p ${source}, or name a volume (without a slash)`,
        });
        return [findingOf(error, path, locate(path))];
      }
      if (isLocal) real.set(source, target);
      const refused = refusedHostPath(target) ?? refusedEngine(target, await ports.engineAt(target));
      if (refused === undefined) {
        return isLocal ? unusableMount(hostPath, locate(path), spec, await ports.files.accessOf(target)) : [];
      }
      const leads = source === target ? '' : `${source} leads to ${target}: `;
      const error = new LoomsError('spec-invalid', leads + refused.message, refused);
      return [{ ...findingOf(error, path, locate(path)), code: 'refused-mount' }];
    }),
  );
  return { findings: findings.flat(), real };
}

const withRealPaths = (server: LoadedServer, real: ReadonlyMap<string, string>): LoadedServer => ({
  ...server,
  spec: {
    ...server.spec,
    mounts: server.spec.mounts.map((mount) =>
      mount.type === 'bind' ? { ...mount, source: real.get(mount.source) ?? mount.source } : mount,
    ),
  },
});

/**
 * Reads, parses and resolves all specs: every finding of every file at once, in the order of files and lines, and
 * nothing of the engine. When any of them is an error, `servers` is empty: a desired state that
 * could not be read whole is none (Argo CD #3473: taken for empty, it deleted environments).
 * Throws `file-not-found` for a path of `-f` that names nothing.
 */
export async function checkSpecs(ports: Ports, options: LoadOptions): Promise<CheckedSpecs> {
  const files = await readSpecFiles(ports, options.paths);
  const commits = commitsFor(ports.files, files, options.commits);
  const loaded = loadDocuments(files, { environment: ports.environment, strict: options.strict });
  const hostPaths = await lookAtHostPaths(ports, [...loaded.servers, ...loaded.faulty]);
  const sound = loaded.servers.map((server) => withRealPaths(server, hostPaths.real));
  const at = { project: options.project, now: ports.now() };
  const diagnostics: Diagnostic[] = [
    ...loaded.diagnostics,
    ...checkPolicy(sound, options.policies, at).flatMap((breach) => breachDiagnostic(breach) ?? []),
    ...checkQuotas(sound, options.policies, at),
    ...loaded.faulty.flatMap((server) =>
      checkFaulty(server, options.policies, at).flatMap((breach) => breachDiagnostic(breach) ?? []),
    ),
    ...hostPaths.findings,
    ...(await Promise.all(loaded.faulty.map((server) => missingFiles(ports.files, server)))).flat(),
  ];
  const servers: CheckedServer[] = [];
  // One that was named is read in any case: that it is not there is said to whoever named it.
  const needsCa =
    ports.environment.LOOMS_BUILD_CA !== undefined || sound.some(({ spec }) => spec.image.kind !== 'image');
  const extraCa = needsCa ? await ports.files.readBuildCa() : undefined;
  const commitOf = await commits;
  for (const { spec, source, locate, place } of sound) {
    try {
      const recipe = await recipeOf(ports.files, spec, source, extraCa);
      const lineOf = (path: string): number => locate(path).position.line;
      servers.push({ spec, source: { ...source, ...commitOf(source.file) }, recipe, lineOf, ...defined({ place }) });
    } catch (error) {
      if (!(error instanceof LoomsError)) throw error;
      const field = fileField(spec.image);
      diagnostics.push(findingOf(error, field, locate(field)));
    }
  }
  const names = files.map((file) => file.file);
  return {
    servers: hasErrors(diagnostics) ? [] : servers,
    diagnostics: sortDiagnostics(diagnostics, names),
    texts: files,
    files: names,
    locate: (server, path) => sound.find(({ spec }) => spec.name === server)?.locate(path),
  };
}

/** {@link checkSpecs}, with what declaring the servers to an engine takes. */
export async function loadSpecs(ports: Ports, options: LoadOptions): Promise<LoadedSpecs> {
  const checked = await checkSpecs(ports, options);
  const servers = checked.servers.map(({ spec, source, recipe, lineOf, place }): DeclaredServer => {
    const image = resolvedImage(spec, recipe);
    return { spec, image, hash: specHash(spec, image.ref), source, lineOf, ...defined({ place }) };
  });
  const recipes = checked.servers.flatMap(({ recipe }) => (recipe === null ? [] : [[recipe.ref, recipe] as const]));
  return { ...checked, servers, recipes: new Map(recipes) };
}

function resolvedImage({ image }: DesiredServer, recipe: Recipe | null): ResolvedImage {
  if (image.kind === 'image') return { kind: 'pulled', ref: image.ref };
  if (recipe === null) throw new LoomsError('internal', `no recipe for an image of kind ${image.kind}`);
  return { kind: 'built', ref: recipe.ref, base: recipe.base };
}
