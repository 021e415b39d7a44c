import { parseImageRef } from '../../model/container/image-ref.ts';
import { type CopyFile, defaultVersions, type ImageSource } from '../../model/desired.ts';
import { defined } from '../../model/values/defined.ts';
import { type Reader, sortedRecord } from '../read/reader.ts';
import { childPath } from '../read/tree.ts';
import { lastName } from '../read/words.ts';
import type { BackendInput, BuildConfigInput, NodeInput, PythonInput } from './input.ts';
import { pathInside } from './paths.ts';

type Runtime = 'python' | 'node' | 'custom';

const sources = ['base_image', 'dockerfile_path', 'build_config'] as const;

/** Where the image comes from; reports conflicts and settings without effect, and returns undefined then. */
export function imageSource(reader: Reader, backend: BackendInput): ImageSource | undefined {
  const at = (field: string): string => `docker_backend.${field}`;
  const written = sources.filter((field) => reader.has(at(field)));
  const [first, ...others] = written;
  if (first !== undefined && others.length > 0) {
    const last = others.at(-1) ?? first;
    reader.report({
      code: 'image-source-conflict',
      path: at(last),
      onKey: true,
      message: `${written.slice(0, -1).join(', ')} and ${last} each name an image source; a server has one`,
      hint: `keep one of ${written.join(', ')}`,
      related: written.slice(0, -1).map((field) => ({ path: at(field), message: `${field} is here` })),
    });
    return undefined;
  }

  const runtime = runtimeOf(reader, backend, first !== undefined);
  if (runtime === undefined) return undefined;
  if (!sectionsHaveEffect(reader, runtime, first)) return undefined;

  if (reader.has(at('dockerfile_path'))) {
    const path = pathInside(reader, at('dockerfile_path'), backend.dockerfile_path);
    return path === undefined ? undefined : { kind: 'dockerfile', path };
  }
  if (reader.has(at('build_config'))) return fromBuildConfig(reader, backend.build_config ?? {});

  const base = baseImage(reader, backend, runtime);
  if (base === undefined) return undefined;
  if (runtime === 'python') return pythonSource(reader, backend.python ?? {}, base);
  if (runtime === 'node') return nodeSource(reader, backend.node ?? {}, base);
  return { kind: 'image', ref: base };
}

/** `runtime_type` in one spelling, as loom's files have another; undefined when it is absent or none of the three. */
export function writtenRuntime({ runtime_type: written }: BackendInput): Runtime | undefined {
  const runtime = written?.replace(/^RUNTIME_TYPE_/, '').toLowerCase();
  return runtime === 'python' || runtime === 'node' || runtime === 'custom' ? runtime : undefined;
}

function runtimeOf(reader: Reader, backend: BackendInput, hasSource: boolean): Runtime | undefined {
  const path = 'docker_backend.runtime_type';
  if (backend.runtime_type !== undefined) {
    const runtime = writtenRuntime(backend);
    if (runtime === undefined) return undefined;
    if (runtime === 'custom' && !hasSource) {
      reader.report({
        code: 'image-source-missing',
        path,
        message: 'runtime_type custom needs one of base_image, dockerfile_path, build_config',
      });
      return undefined;
    }
    return runtime;
  }
  if (reader.has(path)) return undefined;
  if (hasSource) return 'custom';
  const section = (['python', 'node'] as const).find((name) => reader.has(`docker_backend.${name}`));
  reader.report({
    code: 'image-source-missing',
    path: 'docker_backend',
    onKey: true,
    message: 'docker_backend needs runtime_type, or one of base_image, dockerfile_path, build_config',
    hint: section === undefined ? 'add runtime_type: python or runtime_type: node' : `add runtime_type: ${section}`,
  });
  return undefined;
}

/** A section that would change nothing is an error: what is written must happen. */
function sectionsHaveEffect(reader: Reader, runtime: Runtime, source: (typeof sources)[number] | undefined): boolean {
  let fine = true;
  for (const section of ['python', 'node'] as const) {
    const path = `docker_backend.${section}`;
    if (!reader.has(path)) continue;
    const builds = source === 'dockerfile_path' || source === 'build_config';
    if (section === runtime && !builds) continue;
    fine = false;
    const because = section === runtime ? `with ${source}` : `without runtime_type: ${section}`;
    reader.report({
      code: 'no-effect',
      path,
      onKey: true,
      message: `${section} has no effect ${because}`,
      hint:
        section === runtime
          ? `install the packages there, or remove ${source}`
          : `remove it, or set runtime_type: ${section}`,
    });
  }
  return fine;
}

function baseImage(reader: Reader, backend: BackendInput, runtime: Runtime): string | undefined {
  const path = 'docker_backend.base_image';
  const version =
    runtime === 'python' ? backend.python?.python_version : runtime === 'node' ? backend.node?.node_version : undefined;
  if (!reader.has(path)) {
    return runtime === 'custom' ? undefined : `${runtime}:${version ?? defaultVersions[runtime]}-slim`;
  }
  const base = checkedRef(reader, path, backend.base_image);
  const official = base === undefined ? null : new RegExp(`^${runtime}:([0-9]+(?:\\.[0-9]+)*)`).exec(base);
  const given = official?.[1];
  if (version !== undefined && given !== undefined && `${given}.`.startsWith(`${version}.`) === false) {
    reader.report({
      severity: 'warning',
      code: 'version-ignored',
      path: `docker_backend.${runtime}.${runtime}_version`,
      message: `${runtime}_version ${version} is ignored: base_image is ${base}`,
      hint: 'remove one of the two',
      related: [{ path, message: 'base_image is here' }],
    });
  }
  return base;
}

function checkedRef(reader: Reader, path: string, ref: string | undefined): string | undefined {
  if (ref === undefined) return undefined;
  if (parseImageRef(ref) !== undefined) return ref;
  reader.report({
    code: 'invalid-image',
    path,
    message: `${ref} is not an image reference`,
    hint: 'write it as name:tag, registry/name:tag or name@sha256:…',
  });
  return undefined;
}

function pythonSource(reader: Reader, python: PythonInput, base: string): ImageSource | undefined {
  const path = 'docker_backend.python';
  const packages = packageList(reader, `${path}.preinstall_packages`, python.preinstall_packages ?? []);
  const requirementsFile = pathInside(reader, `${path}.requirements_file`, python.requirements_file);
  if (packages.length === 0 && !reader.has(`${path}.requirements_file`) && python.virtual_env === undefined) {
    cacheOfNothing(reader, `${path}.use_pip_cache`);
    return { kind: 'image', ref: base };
  }
  return {
    kind: 'python',
    base,
    packages,
    pipCache: python.use_pip_cache ?? true,
    ...defined({ requirementsFile, virtualEnv: python.virtual_env }),
  };
}

function nodeSource(reader: Reader, node: NodeInput, base: string): ImageSource | undefined {
  const path = 'docker_backend.node';
  const packages = packageList(reader, `${path}.preinstall_packages`, node.preinstall_packages ?? []);
  const packageJsonFile = pathInside(reader, `${path}.package_json_file`, node.package_json_file);
  if (packages.length === 0 && !reader.has(`${path}.package_json_file`)) {
    cacheOfNothing(reader, `${path}.use_npm_cache`);
    return { kind: 'image', ref: base };
  }
  return {
    kind: 'node',
    base,
    packages,
    npmCache: node.use_npm_cache ?? true,
    ...defined({ packageJsonFile }),
  };
}

function cacheOfNothing(reader: Reader, path: string): void {
  if (!reader.has(path)) return;
  reader.report({
    severity: 'warning',
    code: 'no-effect',
    path,
    onKey: true,
    message: `${lastName(path)} has no effect: no packages are installed`,
    hint: 'remove it, or list packages',
  });
}

/** Packages are arguments of pip and npm: one that starts with a dash would be an option. */
function packageList(reader: Reader, path: string, packages: readonly string[]): readonly string[] {
  packages.forEach((name, index) => {
    if (!/^-|[\n\r]/.test(name) && name.trim() === name) return;
    reader.report({
      code: 'invalid-package',
      path: childPath(path, index),
      message: `${JSON.stringify(name)} is not the name of a package`,
      hint: 'one package an entry, without options',
    });
  });
  return packages;
}

function fromBuildConfig(reader: Reader, config: BuildConfigInput): ImageSource | undefined {
  const path = 'docker_backend.build_config';
  if (!reader.has(`${path}.from_image`)) {
    reader.report({ code: 'missing-key', path, onKey: true, message: 'build_config needs from_image' });
    return undefined;
  }
  const from = checkedRef(reader, `${path}.from_image`, config.from_image);
  if (from === undefined) return undefined;
  const caCertificates = pathInside(reader, `${path}.ca_certificates`, config.ca_certificates);
  return {
    kind: 'build',
    from,
    run: (config.run_commands ?? []).map((command) => command.trimEnd()),
    copy: (config.copy_files ?? []).flatMap((line, index) => copyFile(reader, `${path}.copy_files[${index}]`, line)),
    env: sortedRecord(config.env ?? {}),
    ...defined({ workdir: config.workdir, caCertificates }),
  };
}

function copyFile(reader: Reader, path: string, line: string): readonly CopyFile[] {
  const [source, destination, ...more] = line.trim().split(/\s+/);
  if (source === undefined || destination === undefined || more.length > 0) {
    reader.report({ code: 'invalid-copy', path, message: `${JSON.stringify(line)}: expected "source destination"` });
    return [];
  }
  const inside = pathInside(reader, path, source);
  return inside === undefined ? [] : [{ source: inside, destination }];
}
