import { canonicalJson } from '../../model/canonical-json.ts';
import type { DesiredServer, RecordedSpec } from '../../model/desired.ts';
import { readTmpfs } from '../../model/tmpfs.ts';
import { bool, type Check, either, list, number, object, oneOf, optional, record, tagged, text } from './structure.ts';

/** Text of the label that says what a container was made from: canonical JSON, secrets as references. */
export const recordSpec = (spec: DesiredServer, image: string): string => canonicalJson({ image, spec });

/**
 * Reads a label that `recordSpec` wrote. Undefined when it is missing parts, has another shape, or is no JSON: labels
 * can be written by anyone, and by other versions.
 */
export function readRecordedSpec(text: string): RecordedSpec | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isRecorded(value) ? (value as RecordedSpec) : undefined;
}

const secretRef = object({ from: oneOf('provider', 'environment'), name: text });
const envValue = tagged('kind', {
  literal: { value: text },
  secret: { parts: list(either(text, secretRef)) },
});
const env = record(envValue);

const image = tagged('kind', {
  image: { ref: text },
  python: {
    base: text,
    packages: list(text),
    requirementsFile: optional(text),
    pipCache: bool,
    virtualEnv: optional(text),
  },
  node: { base: text, packages: list(text), packageJsonFile: optional(text), npmCache: bool },
  build: {
    from: text,
    run: list(text),
    copy: list(object({ source: text, destination: text })),
    env: record(text),
    workdir: optional(text),
    caCertificates: optional(text),
  },
  dockerfile: { path: text },
});

const mountFields = { source: text, target: text, readOnly: bool };
const http = { port: number, path: text };

const isSpec: Check = object({
  name: text,
  description: optional(text),
  enabled: bool,
  image,
  pullPolicy: oneOf('missing', 'always', 'never'),
  platform: optional(text),
  environment: env,
  workingDir: optional(text),
  mounts: list(tagged('type', { bind: mountFields, volume: mountFields })),
  limits: object({
    cpuCores: number,
    memoryMiB: number,
    pidsLimit: number,
    storageMiB: optional(number),
    executionTimeoutSeconds: number,
  }),
  security: object({
    user: text,
    readOnlyRoot: bool,
    capDrop: list(text),
    capAdd: list(text),
    noNewPrivileges: bool,
    tmpfs: record((size) => typeof size === 'string' && readTmpfs(size) !== undefined),
  }),
  network: object({
    mode: oneOf('isolated', 'none', 'bridge'),
    egress: list(object({ host: text, port: number })),
  }),
  lifecycle: object({
    healthCheckIntervalSeconds: number,
    autoCleanup: bool,
    drainSeconds: number,
    rotationIntervalHours: optional(number),
    maxExecutions: optional(number),
    rotateOnImageChange: bool,
    preserve: list(text),
    restart: oneOf('unless-stopped', 'no'),
  }),
  labels: record(text),
  entrypoint: optional(list(text)),
  mcp: object({
    transport: tagged('kind', { stdio: {}, 'streamable-http': http, sse: http }),
    command: optional(text),
    args: list(text),
    env,
    envFrom: list(text),
    timeoutSeconds: number,
    protocol: oneOf('legacy', 'auto', '2026-07-28'),
    tools: object({ include: optional(list(text)), exclude: list(text) }),
  }),
});

const isRecorded: Check = object({ spec: isSpec, image: text });

/** Whether a value read from a file is a server as `DeclaredServer` has it. */
export const isDeclaredServer: Check = object({
  spec: isSpec,
  image: tagged('kind', { pulled: { ref: text }, built: { ref: text, base: optional(text) } }),
  hash: text,
  source: object({ file: text, line: number, directory: text, commit: optional(text) }),
});
