import { rotationTime } from '../../docker/reconcile/server/rotation.ts';
import type { DesiredServer, SecretRef } from '../../model/desired.ts';
import { assertNever } from '../../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { generationName } from '../../model/labels.ts';
import type { EngineHealth, Observed, ObservedContainer } from '../../model/observed.ts';
import { shownOf } from '../../model/serving.ts';
import { isoTime } from '../../model/times.ts';
import { formatSpec } from '../../spec/fields/format.ts';

/** How a server is doing as far as the engine alone can tell; whether it answers MCP is asked by a gate or a call. */
export type ServerState = 'running' | 'paused' | 'stopped' | 'disabled' | 'restarting' | 'pending' | 'dead';

export type ServerStatus = {
  readonly name: ServerName;
  readonly project: ProjectName;
  readonly state: ServerState;
  readonly generation: number;
  readonly image: string;
  readonly transport: string;
  readonly container: ContainerId;
  readonly containerName: string;
  /** Since the container was created, on the engine's clock, ms. */
  readonly ageMs: number;
  /** How often the engine has started it again since somebody last did. */
  readonly restarts: number;
  /** What the HEALTHCHECK of its image says; null where there is none, or it does not run. */
  readonly engineHealth: EngineHealth | null;
  /** File, line and commit of the spec it was made from. */
  readonly source: string | null;
  /** More containers of this server than the one shown: an interrupted rotation, or duplicates. */
  readonly others: number;
};

export type ServerDetail = ServerStatus & {
  readonly description: string | null;
  readonly imageId: string;
  readonly command: readonly string[];
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly exitCode: number | null;
  readonly user: string;
  readonly limits: {
    readonly cpuCores: number;
    readonly memoryMiB: number;
    readonly pids: number;
    readonly executionTimeoutSeconds: number | null;
  };
  readonly network: { readonly mode: string; readonly names: readonly string[]; readonly hidesHost: boolean };
  readonly mounts: readonly {
    readonly type: string;
    readonly source: string;
    readonly target: string;
    readonly readOnly: boolean;
  }[];
  readonly security: {
    readonly readOnlyRoot: boolean;
    readonly capDrop: readonly string[];
    readonly capAdd: readonly string[];
    readonly noNewPrivileges: boolean;
  };
  readonly tools: { readonly include: readonly string[] | null; readonly exclude: readonly string[] };
  readonly secrets: readonly string[];
  /** When it is due to be replaced by age; null: never. */
  readonly rotatesAt: string | null;
  readonly specHash: string;
  readonly managedBy: string;
  /** The recorded spec as YAML that can be applied again; null when the record cannot be read. */
  readonly spec: string | null;
};

const mebibyte = 1024 * 1024;

/** How the container of a server is doing. */
export function stateOf(container: ObservedContainer, project: ProjectName): ServerState {
  const { state, recorded, server } = container;
  switch (state.status) {
    case 'running':
      if (state.paused) return 'paused';
      // A generation runs under a name of its own until its gate has passed; any other name was given by hand.
      return server !== undefined && container.name === generationName(project, server, container.generation)
        ? 'pending'
        : 'running';
    case 'restarting':
      return 'restarting';
    case 'dead':
      return 'dead';
    case 'created':
    case 'exited':
      return recorded?.spec.enabled === false ? 'disabled' : 'stopped';
    default:
      return assertNever(state);
  }
}

/** What is shown of a server in a list, from its containers; undefined where it has none. */
export function statusOf(
  observed: Observed,
  containers: readonly ObservedContainer[],
  name: ServerName,
): ServerStatus | undefined {
  const container = shownOf(containers, observed.project, name);
  if (container === undefined) return undefined;
  return {
    name,
    project: observed.project,
    state: stateOf(container, observed.project),
    generation: container.generation,
    image: container.imageRef,
    transport: container.recorded?.spec.mcp.transport.kind ?? 'unknown',
    container: container.id,
    containerName: container.name,
    ageMs: Math.max(0, observed.now - container.createdAt),
    restarts: container.restartCount,
    engineHealth: container.engineHealth,
    source: container.source ?? null,
    others: containers.length - 1,
  };
}

/** A variable that holds a secret, and what it is looked up by when a session starts. */
export type SecretUse = { readonly variable: string; readonly refs: readonly SecretRef[] };

/** The variables of a spec that hold secrets, by name. */
export function secretsOf(spec: DesiredServer | undefined): SecretUse[] {
  if (spec === undefined) return [];
  const uses = [...Object.entries(spec.environment), ...Object.entries(spec.mcp.env)].flatMap(([variable, value]) =>
    value.kind === 'secret' ? [{ variable, refs: value.parts.filter((part) => typeof part !== 'string') }] : [],
  );
  const fromEnvironment = spec.mcp.envFrom.map((name) => ({
    variable: name,
    refs: [{ from: 'environment', name } as const],
  }));
  return [...uses, ...fromEnvironment].sort((a, b) => (a.variable < b.variable ? -1 : 1));
}

/** Everything that a server's container tells about it; `command` is what is run as the server. */
export function detailOf(
  observed: Observed,
  container: ObservedContainer,
  status: ServerStatus,
  command: readonly string[],
): ServerDetail {
  const { shape, recorded, state } = container;
  const spec = recorded?.spec;
  const due = spec && rotationTime(spec.lifecycle, container.createdAt);
  return {
    ...status,
    description: spec?.description ?? null,
    imageId: shape.imageId,
    command,
    createdAt: isoTime(container.createdAt),
    startedAt: state.status === 'running' ? isoTime(state.startedAt) : null,
    exitCode: state.status === 'exited' ? state.exitCode : null,
    user: shape.user,
    limits: {
      cpuCores: shape.nanoCpus / 1e9,
      memoryMiB: Math.round(shape.memoryBytes / mebibyte),
      pids: shape.pidsLimit,
      executionTimeoutSeconds: spec?.limits.executionTimeoutSeconds ?? null,
    },
    network: {
      mode: spec?.network.mode ?? 'unknown',
      names: shape.networks.map((network) => network.name),
      hidesHost: spec?.network.mode === 'isolated' && observed.engine.canHideHost,
    },
    mounts: shape.mounts,
    security: {
      readOnlyRoot: shape.readOnlyRoot,
      capDrop: shape.capDrop,
      capAdd: shape.capAdd,
      noNewPrivileges: shape.noNewPrivileges,
    },
    tools: { include: spec?.mcp.tools.include ?? null, exclude: spec?.mcp.tools.exclude ?? [] },
    secrets: secretsOf(spec).map(({ variable }) => variable),
    rotatesAt: due === undefined ? null : isoTime(due),
    specHash: container.specHash,
    managedBy: container.managedBy,
    spec: spec === undefined ? null : formatSpec(spec),
  };
}
