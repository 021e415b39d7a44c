import { type DesiredServer, type Lifecycle, lifecycleFields, limitFields, serverFields } from '../../model/desired.ts';
import { plainOf } from '../../model/fields.ts';
import { asServerName, namePattern, type ServerName } from '../../model/ids.ts';
import type { SpecInput } from '../generated/validators.mjs';
import { type Reader, sortedRecord } from '../read/reader.ts';
import { childPath } from '../read/tree.ts';
import { imageSource, writtenRuntime } from './image-source.ts';
import type { BackendInput, LifecycleInput, McpInput } from './input.ts';
import { envOf, mcpOf } from './mcp.ts';
import { contains, type HostPath, mountsAndTmpfs } from './mounts.ts';
import { networkOf } from './network.ts';
import { packageIsThere } from './package-is-there.ts';
import { containerPath } from './paths.ts';
import { countsOf } from './scale.ts';
import { securityOf } from './security.ts';

/** Where the server's name stands, and the name when it is a valid one. Reports a missing or wrong one. */
export function nameOf(
  reader: Reader,
  input: SpecInput,
): { readonly name: ServerName; readonly path: string } | undefined {
  const path = reader.has('name') ? 'name' : 'docker_backend.name';
  const written = path === 'name' ? input.name : input.docker_backend?.name;
  if (written === undefined) {
    if (!reader.has(path)) {
      reader.report({
        code: 'missing-name',
        path: '',
        message: 'the server has no name',
        hint: 'add name: at the top of the document, or docker_backend.name',
      });
    }
    return undefined;
  }
  if (namePattern.test(written)) return { name: asServerName(written), path };
  const slug = written
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '');
  reader.report({
    code: 'invalid-name',
    path,
    message: `${JSON.stringify(written)} is not a lower-case DNS label of at most 40 characters`,
    ...(slug === '' ? {} : { hint: path === 'name' ? `write name: ${slug}` : `add name: ${slug} at the top` }),
  });
  return undefined;
}

/** A server as far as its document could be read; the image is absent where nothing says which. */
export type ReadServer = Omit<DesiredServer, 'image'> & Partial<Pick<DesiredServer, 'image'>>;

/** Fills in defaults and runs the rules across fields. After a finding the result is only good for more findings. */
export function normalize(
  reader: Reader,
  input: SpecInput,
  name: ServerName,
): { readonly spec: ReadServer; readonly hostPaths: readonly HostPath[] } {
  const backend = input.docker_backend ?? {};
  const { mcp, at } = mcpInput(reader, input, backend);
  const image = imageSource(reader, backend);
  const { mounts, tmpfs, hostPaths } = mountsAndTmpfs(reader, backend);
  const network = networkOf(reader, backend);
  commandIsKnown(reader, backend, mcp, at);
  hostnameIsOwn(reader, backend.hostname ?? '');
  const spec: ReadServer = {
    ...plainOf(serverFields, input),
    name,
    enabled: mcp.enabled ?? true,
    ...countsOf(reader, mcp, at),
    environment: envOf(reader, 'docker_backend.environment', backend.environment ?? {}),
    ...(backend.working_dir === undefined ? {} : { workingDir: workingDir(reader, backend.working_dir) }),
    mounts,
    limits: plainOf(limitFields, backend.resource_limits),
    security: securityOf(reader, backend.security ?? {}, tmpfs),
    network,
    lifecycle: lifecycleOf(reader, backend.lifecycle ?? {}, {
      readOnlyRoot: backend.security?.read_only_root ?? true,
      elsewhere: [...mounts.map(({ target }) => target), ...Object.keys(tmpfs)],
    }),
    labels: labelsOf(reader, backend.custom?.labels ?? {}),
    mcp: mcpOf(reader, mcp, at, network.mode),
  };
  if (image !== undefined) packageIsThere(reader, { ...spec, image }, backend, at);
  return { spec: image === undefined ? spec : { ...spec, image }, hostPaths };
}

/** mcp_server stands at the top or inside docker_backend; both with the same content is harmless. */
function mcpInput(reader: Reader, input: SpecInput, backend: BackendInput): { mcp: McpInput; at: string } {
  const inner = 'docker_backend.mcp_server';
  if (!reader.has(inner)) return { mcp: input.mcp_server ?? {}, at: 'mcp_server' };
  if (!reader.has('mcp_server')) return { mcp: backend.mcp_server ?? {}, at: inner };
  if (!reader.sameValue('mcp_server', inner)) {
    reader.report({
      code: 'mcp-server-conflict',
      path: inner,
      onKey: true,
      message: 'mcp_server stands in two places with different content',
      hint: 'keep one of them',
      related: [{ path: 'mcp_server', message: 'the other one is here' }],
    });
  }
  return { mcp: input.mcp_server ?? {}, at: 'mcp_server' };
}

/** What every container on its network would look up for itself, or take for an address, must not lead to this one. */
function hostnameIsOwn(reader: Reader, hostname: string): void {
  if (!/(?:^|\.)localhost$/i.test(hostname) && !/^[\d.]+$/.test(hostname)) return;
  reader.report({
    code: 'invalid-value',
    path: 'docker_backend.hostname',
    message: `${hostname} means something else on its network than this server`,
    hint: 'write a name of its own, as files or files-1.example',
  });
}

/** The official python and node images start an interpreter, which is no MCP server. */
function commandIsKnown(reader: Reader, backend: BackendInput, mcp: McpInput, at: string): void {
  const runtime = writtenRuntime(backend);
  const interpreter = (runtime === 'python' || runtime === 'node') && !reader.has('docker_backend.base_image');
  const custom = reader.has('docker_backend.dockerfile_path') || reader.has('docker_backend.build_config');
  if (!interpreter || custom || reader.has(`${at}.command`)) return;
  if (reader.has('docker_backend.custom.entrypoint_cmd') || (mcp.args ?? []).length > 0) return;
  reader.report({
    code: 'missing-command',
    path: reader.has(at) ? at : 'docker_backend',
    onKey: true,
    message: `the image ${runtime} starts an interpreter, not a server: mcp_server.command is missing`,
    hint: 'add command: with the program that the packages install',
  });
}

/** The working directory becomes writable, so it cannot be one of the folders that containers keep for themselves. */
function workingDir(reader: Reader, written: string): string {
  return containerPath(reader, 'docker_backend.working_dir', written) ?? written;
}

/** Whether the root can be written to, and which folders are mounted or in memory instead. */
type RootFiles = { readonly readOnlyRoot: boolean; readonly elsewhere: readonly string[] };

/** A path whose files are the container's own: what is mounted or in memory is not copied with it. */
function preservedPath(
  reader: Reader,
  path: string,
  written: string,
  elsewhere: readonly string[],
): string | undefined {
  const preserved = containerPath(reader, path, written);
  if (preserved === undefined) return undefined;
  const outer = elsewhere.find((target) => contains(target, preserved));
  const inner = elsewhere.find((target) => contains(preserved, target));
  if (outer !== undefined) {
    reader.report({
      code: 'no-effect',
      path,
      message: `${preserved} has no files of the container itself: ${outer} is mounted, or in memory`,
      hint: 'a named volume outlives every replacement; what is in memory goes with the container',
    });
  } else if (inner !== undefined) {
    reader.report({
      code: 'invalid-mount',
      path,
      message: `${inner} is mounted, or in memory, below ${preserved}: its files would be copied, and written back, with it`,
      hint: `name the folders beside ${inner} instead`,
    });
  }
  return outer === undefined && inner === undefined ? preserved : undefined;
}

function lifecycleOf(reader: Reader, input: LifecycleInput, { readOnlyRoot, elsewhere }: RootFiles): Lifecycle {
  const preserve = (input.preserve ?? []).flatMap(
    (path, index) => preservedPath(reader, `docker_backend.lifecycle.preserve[${index}]`, path, elsewhere) ?? [],
  );
  if (preserve.length > 0 && readOnlyRoot) {
    reader.report({
      code: 'no-effect',
      path: 'docker_backend.lifecycle.preserve',
      onKey: true,
      message: 'preserve has no effect: with a read-only root file system there is nothing in the container to keep',
      hint: 'mount a volume there, or set security.read_only_root: false',
    });
  }
  return {
    ...plainOf(lifecycleFields, input),
    preserve: [...new Set(preserve)].toSorted(),
  };
}

function labelsOf(reader: Reader, labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const key of Object.keys(labels)) {
    if (/^looms?\./.test(key) || key.trim() === '' || key.includes('=')) {
      reader.report({
        code: 'invalid-key',
        path: childPath('docker_backend.custom.labels', key),
        onKey: true,
        message: /^looms?\./.test(key)
          ? `labels starting with looms. and loom. are reserved: ${key}`
          : `${JSON.stringify(key)} is not a label's name`,
      });
    }
  }
  return sortedRecord(labels);
}
