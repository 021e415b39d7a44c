import { installedArgv, type PackageRun, packageRunOf, writtenArgv } from '../../model/container/package-run.ts';
import type { DesiredServer } from '../../model/desired.ts';
import type { Reader } from '../read/reader.ts';
import { writtenRuntime } from './image-source.ts';
import type { BackendInput } from './input.ts';

/**
 * Reports a command line that fetches a package when it starts. On a network that leads nowhere it would wait for its
 * registry until the gate gives up; on an open one it does so for each session, and cannot run what it fetched from a
 * /tmp of the default kind. An error where nothing else can have brought the package into the image.
 */
export function packageIsThere(reader: Reader, spec: DesiredServer, backend: BackendInput, at: string): void {
  const run = packageRunOf(writtenArgv(spec));
  if (run === undefined || installedArgv(run, spec.image) !== undefined) return;
  const ownImage = writtenRuntime(backend) === 'custom' || reader.has('docker_backend.base_image');
  const isOwn =
    spec.image.kind === 'build' || spec.image.kind === 'dockerfile' || (spec.image.kind === 'image' && ownImage);
  const { mode } = spec.network;
  const place = ['docker_backend.custom.entrypoint_cmd', `${at}.command`].find((path) => reader.has(path));
  const fetched = run.package ?? 'its package';
  reader.report({
    severity: mode === 'bridge' && run.runs ? 'note' : isOwn ? 'warning' : 'error',
    code: 'fetched-at-start',
    path: place ?? `${at}.args`,
    message: messageOf(run, fetched, mode),
    hint: hintOf(run, spec.image.kind === 'build' || spec.image.kind === 'dockerfile'),
  });
}

function messageOf({ runner, runs }: PackageRun, fetched: string, mode: DesiredServer['network']['mode']): string {
  if (!runs) return `${runner} installs ${fetched} and ends: it is no server`;
  if (mode !== 'bridge') {
    return `${runner} fetches ${fetched} when it starts, and from network mode ${mode} no registry is reached`;
  }
  return `${runner} fetches ${fetched} anew for each session, and can run it only from a /tmp with exec (security.tmpfs)`;
}

function hintOf({ runs, ecosystem, package: name }: PackageRun, builds: boolean): string {
  const then = runs
    ? '; the same command then runs what is installed'
    : ', and name the program that it brings as command';
  if (builds) {
    const install = ecosystem === 'node' ? 'npm install --global' : 'pip install';
    return `install it where the image is built (${install} ${name ?? '…'}), and name the program that it brings as command`;
  }
  const packages = `preinstall_packages: [${JSON.stringify(installed(name ?? '…', ecosystem))}]`;
  return `install it in the image${then}:
docker_backend:
  runtime_type: ${ecosystem}
  ${ecosystem}: { ${packages} }`;
}

/** A package as its installer writes it: `@latest` is what that takes anyway, and pip writes `==` for uvx's `@`. */
function installed(name: string, ecosystem: PackageRun['ecosystem']): string {
  const written = name.replace(/@latest$/, '');
  return ecosystem === 'node' ? written : written.replace(/^([A-Za-z0-9._-]+)@(?=\d)/, '$1==');
}
