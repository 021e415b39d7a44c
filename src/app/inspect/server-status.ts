import { egressText } from '../../model/container/egress.ts';
import type { EngineTime } from '../../model/engine.ts';
import { secretUses } from '../../model/secrets/secret-names.ts';
import type { Refusal, ServerImage, ServerView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import { formatSpec } from '../../spec/fields/format.ts';

/** What is shown of a server in a list. */
export type ServerStatus = Pick<
  ServerView,
  | 'name'
  | 'project'
  | 'engine'
  | 'state'
  | 'replicas'
  | 'renamed'
  | 'generation'
  | 'image'
  | 'container'
  | 'containerName'
  | 'restarts'
  | 'engineHealth'
  | 'source'
> & {
  readonly transport: string;
  /** Since the container was created, on the engine's clock, ms. */
  readonly ageMs: number;
  /** More containers of this server than there shall be: an interrupted rotation, or duplicates. */
  readonly others: number;
};

export type ServerDetail = ServerStatus &
  Pick<ServerView, 'imageId' | 'user' | 'mounts' | 'security' | 'specHash' | 'managedBy'> & {
    readonly description: string | null;
    readonly command: readonly string[];
    readonly createdAt: string;
    readonly startedAt: string | null;
    readonly exitCode: number | null;
    readonly limits: ServerView['limits'] & { readonly executionTimeoutSeconds: number | null };
    /** What the server calls itself on its network; null: what the engine gives it. */
    readonly hostname: string | null;
    readonly network: {
      readonly mode: string;
      readonly names: readonly string[];
      readonly hidesHost: boolean;
      /** What an isolated server reaches of the outside: `host:port`. */
      readonly egress: readonly string[];
      /** Whether what is tried beyond that is noted, by host and port. */
      readonly learns: boolean;
    };
    /** What its forwarder refused, the most frequent first; empty without an allow-list, null when the log cannot be read. */
    readonly refused: readonly Refusal[] | null;
    readonly tools: { readonly include: readonly string[] | null; readonly exclude: readonly string[] };
    readonly secrets: readonly string[];
    /** When it is due to be replaced by age; null: never. */
    readonly rotatesAt: string | null;
    /** The recorded spec as YAML that can be applied again; null when the record cannot be read. */
    readonly spec: string | null;
  };

/** What is shown of a server in a list, at a moment of the engine's clock. */
export const statusOf = (view: ServerView, now: EngineTime): ServerStatus => ({
  name: view.name,
  project: view.project,
  ...defined({ engine: view.engine }),
  state: view.state,
  replicas: view.replicas,
  renamed: view.renamed,
  generation: view.generation,
  image: view.image,
  transport: view.recorded?.spec.mcp.transport.kind ?? 'unknown',
  container: view.container,
  containerName: view.containerName,
  ageMs: Math.max(0, now - view.createdAt),
  restarts: view.restarts,
  engineHealth: view.engineHealth,
  source: view.source,
  others: Math.max(0, view.instances.length - Math.max(1, view.replicas.asked)),
});

/** Everything that is told of a server. */
export function detailOf(
  view: ServerView,
  now: EngineTime,
  { command, refused }: Pick<ServerImage, 'command'> & Pick<ServerDetail, 'refused'>,
): ServerDetail {
  const { recorded, status, imageId, user, mounts, security, specHash, managedBy } = view;
  const spec = recorded?.spec;
  return {
    ...statusOf(view, now),
    description: spec?.description ?? null,
    imageId,
    command,
    createdAt: isoTime(view.createdAt),
    startedAt: status.status === 'running' ? isoTime(status.startedAt) : null,
    exitCode: status.status === 'exited' ? status.exitCode : null,
    user,
    limits: { ...view.limits, executionTimeoutSeconds: spec?.limits.executionTimeoutSeconds ?? null },
    hostname: spec?.hostname || null,
    network: {
      mode: spec?.network.mode ?? 'unknown',
      names: view.networks,
      hidesHost: view.hidesHost,
      egress: (spec?.network.egress ?? []).map(egressText),
      learns: spec?.network.egressLearn ?? false,
    },
    refused,
    mounts,
    security,
    tools: { include: spec?.mcp.tools.include ?? null, exclude: spec?.mcp.tools.exclude ?? [] },
    secrets: spec === undefined ? [] : secretUses(spec).map(({ variable }) => variable),
    rotatesAt: view.rotatesAt === null ? null : isoTime(view.rotatesAt),
    specHash,
    managedBy,
    spec: spec === undefined ? null : formatSpec(spec),
  };
}
