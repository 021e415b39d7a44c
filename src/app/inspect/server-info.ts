import { rotationTime } from '../../docker/reconcile/server/rotation.ts';
import { type Standing, standingOf, type Verdict } from '../../model/health.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import { shownOf } from '../../model/serving.ts';
import { slotsOf } from '../../model/slots.ts';
import { isoTime } from '../../model/times.ts';
import type { Ports } from '../ports.ts';
import { readKept } from './read-kept.ts';
import { serverArgv } from './server-argv.ts';
import { serverNotFound } from './server-not-found.ts';
import { detailOf, type ServerDetail, statusOf } from './server-status.ts';

/**
 * How far a server is on its way to being replaced; null where its spec sets no such limit. `left` is null when the ledger
 * cannot be read.
 */
export type RotationState = {
  readonly byAge: { readonly at: string; readonly leftMs: number } | null;
  readonly byExecutions: { readonly limit: number; readonly left: number | null } | null;
};

/** Everything about how a server runs. */
export type ServerInfo = ServerDetail & {
  /** Of the image that it runs, as its registry names them; empty for one that was built here or is gone. */
  readonly imageDigests: readonly string[];
  /** When it stopped, where it does not run. */
  readonly finishedAt: string | null;
  /** Calls of this container counted on this machine; null when its ledger cannot be read. */
  readonly executions: number | null;
  readonly rotation: RotationState;
  /** What this machine last found out by asking it; null when nobody has. */
  readonly health: {
    readonly verdict: Verdict;
    readonly checkedAt: string;
    /** Since when each look came to this verdict, also across containers. */
    readonly since: string;
    readonly tools: number | null;
    readonly detail: string;
    /** What it is about: the server as it runs now, the same container before it was started again, or an earlier one. */
    readonly about: Standing;
  } | null;
};

function rotationOf(container: ObservedContainer, now: number, executions: number | null): RotationState {
  const lifecycle = container.recorded?.spec.lifecycle;
  const at = lifecycle && rotationTime(lifecycle, container.createdAt);
  const limit = lifecycle?.maxExecutions;
  return {
    byAge: at === undefined ? null : { at: isoTime(at), leftMs: Math.max(0, at - now) },
    byExecutions:
      limit === undefined ? null : { limit, left: executions === null ? null : Math.max(0, limit - executions) },
  };
}

/** Looked up by the image's own id: the reference may mean another one by now. */
async function digestsOf(ports: Ports, observed: Observed, container: ObservedContainer): Promise<readonly string[]> {
  const id = container.shape.imageId;
  const engine = await ports.engine();
  const looked = await engine.observe({ project: observed.project, images: [id], checkRegistry: [] });
  return looked.images[id]?.digests ?? [];
}

/**
 * How a server runs, from its container, the calls that this machine counted, and what it last found out about its health.
 * Asks the engine only, not the server.
 * A ledger that cannot be read is a notice. Throws `server-not-found`, and what the engine throws.
 */
export async function serverInfo(
  ports: Ports,
  request: { readonly project: ProjectName; readonly name: ServerName },
): Promise<{ readonly info: ServerInfo; readonly notices: readonly string[] }> {
  const { project, name } = request;
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const slots = slotsOf(observed.containers);
  const containers = slots.get(name) ?? [];
  const container = shownOf(containers, project, name);
  const status = statusOf(observed, containers, name);
  if (container === undefined || status === undefined) throw serverNotFound(project, name, [...slots.keys()]);
  const [{ counts, health, notices }, imageDigests, command] = await Promise.all([
    readKept(ports, [container.id], { engine: observed.engine.id, project }),
    digestsOf(ports, observed, container),
    serverArgv(engine, container),
  ]);
  const executions = counts === undefined ? null : (counts.get(container.id) ?? 0);
  const found = health.get(name);
  const info: ServerInfo = {
    ...detailOf(observed, container, status, command),
    imageDigests,
    finishedAt: container.state.status === 'exited' ? isoTime(container.state.finishedAt) : null,
    executions,
    rotation: rotationOf(container, observed.now, executions),
    health:
      found === undefined
        ? null
        : {
            verdict: found.verdict,
            checkedAt: isoTime(found.checkedAt),
            since: isoTime(found.since),
            tools: found.tools,
            detail: found.detail,
            about: standingOf(found, container),
          },
  };
  return { info, notices };
}
