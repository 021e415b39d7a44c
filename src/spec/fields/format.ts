import { Document, visit } from 'yaml';
import { canonicalJson } from '../../model/canonical-json.ts';
import type {
  DesiredServer,
  Env,
  EnvValue,
  ImageSource,
  Lifecycle,
  Limits,
  McpSpec,
  Mount,
  Security,
} from '../../model/desired.ts';
import { assertNever } from '../../model/errors.ts';
import { writtenRef } from '../../model/secret-names.ts';
import { unicodeEscape, unseenInLines } from '../../model/unseen.ts';
import { escapeTemplate } from '../read/template.ts';
import { defaultVersions } from './image-source.ts';
import { defaultMcp } from './mcp.ts';
import { defaultTmpfs } from './mounts.ts';
import { defaultPaths } from './network.ts';
import { defaultLifecycle, defaultLimits } from './normalize.ts';
import { defaultUser } from './security.ts';

type Fields = Record<string, unknown>;

/**
 * Writes a server as YAML that loads again to the same server; what equals a default is left out. Bind mounts come out
 * absolute, so that the text means the same in every folder. The one thing YAML specs cannot say is a `$` from a
 * variable right before a secret.
 */
export function formatSpec(spec: DesiredServer): string {
  const { image } = spec;
  const document = compact({
    name: spec.name,
    docker_backend: {
      description: text(spec.description),
      ...imageFields(image, startsInterpreter(spec)),
      pull_policy: unless(spec.pullPolicy, 'missing'),
      platform: spec.platform,
      custom: compact({ entrypoint_cmd: spec.entrypoint?.map(escapeTemplate), labels: texts(spec.labels) }),
      environment: env(spec.environment),
      working_dir: text(spec.workingDir),
      volume_mounts: nonEmpty(spec.mounts.map(mount)),
      resource_limits: limits(spec.limits),
      security: security(spec.security, spec.mounts),
      network: compact({ mode: unless(spec.network.mode, 'isolated') }),
      lifecycle: lifecycle(spec.lifecycle),
    },
    mcp_server: mcp(spec.mcp, spec.enabled),
  });
  return print(document);
}

/** Characters that a spec must not hold unescaped: what is not seen, and what stands for text that could not be read. */
const unprintable = new RegExp(`${unseenInLines.source}|\ufffd`, 'gu');

function print(content: unknown): string {
  const document = new Document(content, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && node.value.search(unprintable) !== -1) node.type = 'QUOTE_DOUBLE';
    },
  });
  // Quoted instead of as blocks: yaml writes blocks of blank lines that read back without their spaces.
  const text = document.toString({ lineWidth: 0, blockQuote: false });
  return text.replaceAll(unprintable, unicodeEscape);
}

/** Leaves out absent values; undefined when nothing is left. */
function compact(fields: Fields): Fields | undefined {
  const kept = Object.entries(fields).flatMap(([key, value]) => {
    const inner = isFields(value) && value !== noTmpfs ? compact(value) : value;
    return inner === undefined ? [] : [[key, inner] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** An empty map that says something: no folders in memory, in place of the default. */
const noTmpfs: Fields = {};

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const unless = <T>(value: T, ordinary: T): T | undefined =>
  canonicalJson(value) === canonicalJson(ordinary) ? undefined : value;
const nonEmpty = <T>(values: readonly T[]): readonly T[] | undefined => (values.length === 0 ? undefined : values);
const text = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : escapeTemplate(value);
const texts = (values: Readonly<Record<string, string>>): Fields =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, escapeTemplate(value)]));

/** Whether a spec without `base_image` would be refused: the official images start an interpreter, no server. */
const startsInterpreter = (spec: DesiredServer): boolean =>
  spec.mcp.command === undefined && spec.mcp.args.length === 0 && spec.entrypoint === undefined;

function imageFields(image: ImageSource, needsBase: boolean): Fields {
  switch (image.kind) {
    case 'image':
      return { base_image: image.ref };
    case 'dockerfile':
      return { dockerfile_path: escapeTemplate(image.path) };
    case 'build':
      return {
        build_config: {
          from_image: image.from,
          run_commands: nonEmpty(image.run.map(escapeTemplate)),
          copy_files: nonEmpty(image.copy.map(({ source, destination }) => escapeTemplate(`${source} ${destination}`))),
          env: texts(image.env),
          workdir: text(image.workdir),
          ca_certificates: text(image.caCertificates),
        },
      };
    case 'python':
      return {
        runtime_type: 'python',
        ...baseFields('python', image.base, needsBase, {
          preinstall_packages: nonEmpty(image.packages.map(escapeTemplate)),
          requirements_file: text(image.requirementsFile),
          use_pip_cache: unless(image.pipCache, true),
          virtual_env: text(image.virtualEnv),
        }),
      };
    case 'node':
      return {
        runtime_type: 'node',
        ...baseFields('node', image.base, needsBase, {
          preinstall_packages: nonEmpty(image.packages.map(escapeTemplate)),
          package_json_file: text(image.packageJsonFile),
          use_npm_cache: unless(image.npmCache, true),
        }),
      };
    default:
      return assertNever(image);
  }
}

/** A base that a version says is written as that version, another one as `base_image`. */
function baseFields(runtime: 'python' | 'node', base: string, needsBase: boolean, section: Fields): Fields {
  const version = new RegExp(`^${runtime}:([0-9]+(?:\\.[0-9]+){0,2})-slim$`).exec(base)?.[1];
  if (version === undefined || needsBase) return { base_image: base, [runtime]: section };
  return { [runtime]: { [`${runtime}_version`]: unless(version, defaultVersions[runtime]), ...section } };
}

const mount = (one: Mount): Fields => ({
  source: escapeTemplate(one.source),
  target: escapeTemplate(one.target),
  ...(one.readOnly ? { read_only: true } : {}),
});

const limits = (one: Limits): Fields => ({
  cpu_cores: unless(one.cpuCores, defaultLimits.cpuCores),
  memory_mb: unless(one.memoryMiB, defaultLimits.memoryMiB),
  storage_mb: one.storageMiB,
  pids_limit: unless(one.pidsLimit, defaultLimits.pidsLimit),
  execution_timeout_seconds: unless(one.executionTimeoutSeconds, defaultLimits.executionTimeoutSeconds),
});

function security(one: Security, mounts: readonly Mount[]): Fields | undefined {
  const taken = new Set(mounts.map(({ target }) => target));
  const ordinary = Object.fromEntries(Object.entries(defaultTmpfs).filter(([path]) => !taken.has(path)));
  const written = compact({
    user: unless(one.user, defaultUser),
    read_only_root: unless(one.readOnlyRoot, true),
    cap_drop: unless(one.capDrop, ['ALL']),
    cap_add: nonEmpty(one.capAdd),
    no_new_privileges: unless(one.noNewPrivileges, true),
    tmpfs: unless(one.tmpfs, ordinary) && (Object.keys(one.tmpfs).length === 0 ? noTmpfs : texts(one.tmpfs)),
  });
  return written;
}

const lifecycle = (one: Lifecycle): Fields => ({
  health_check_interval_seconds: unless(one.healthCheckIntervalSeconds, defaultLifecycle.healthCheckIntervalSeconds),
  auto_cleanup: unless(one.autoCleanup, defaultLifecycle.autoCleanup),
  drain_seconds: unless(one.drainSeconds, defaultLifecycle.drainSeconds),
  rotation_interval_hours: one.rotationIntervalHours,
  max_executions: one.maxExecutions,
  rotate_on_image_change: unless(one.rotateOnImageChange, defaultLifecycle.rotateOnImageChange),
  preserve: nonEmpty(one.preserve.map(escapeTemplate)),
  restart: unless(one.restart, defaultLifecycle.restart),
});

function mcp(one: McpSpec, enabled: boolean): Fields {
  const { transport } = one;
  return {
    enabled: unless(enabled, true),
    ...(transport.kind === 'stdio'
      ? {}
      : {
          transport: transport.kind,
          port: transport.port,
          path: text(unless(transport.path, defaultPaths[transport.kind])),
        }),
    command: text(one.command),
    args: nonEmpty(one.args.map(escapeTemplate)),
    env: env(one.env),
    env_from: nonEmpty(one.envFrom),
    timeout_seconds: unless(one.timeoutSeconds, defaultMcp.timeoutSeconds),
    protocol: unless(one.protocol, defaultMcp.protocol),
    tools: {
      include: one.tools.include?.map(escapeTemplate),
      exclude: nonEmpty(one.tools.exclude.map(escapeTemplate)),
    },
  };
}

const env = (values: Env): Fields =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, variable(value)]));

function variable(value: EnvValue): string {
  if (value.kind === 'literal') return escapeTemplate(value.value);
  return value.parts
    .map((part) => {
      if (typeof part === 'string') return escapeTemplate(part);
      return writtenRef(part);
    })
    .join('');
}
