import { type Standing, standingOf, type Verdict } from '../../model/health.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { ServerView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import type { Ports } from '../ports.ts';
import { readKept } from './read-kept.ts';
import { detailOf, type ServerDetail } from './server-status.ts';
import { lookUpServers, refusedTo } from './servers.ts';

/** How far a server is from being replaced; null without such a limit. `left` is null without a readable ledger. */
type RotationState = {
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

function rotationOf({ recorded, rotatesAt: at }: ServerView, now: number, executions: number | null): RotationState {
  const limit = recorded?.spec.lifecycle.maxExecutions;
  return {
    byAge: at === null ? null : { at: isoTime(at), leftMs: Math.max(0, at - now) },
    byExecutions:
      limit === undefined ? null : { limit, left: executions === null ? null : Math.max(0, limit - executions) },
  };
}

/** How a server runs, by engine and ledger (an unreadable one is a notice). Throws `server-not-found`. */
export async function serverInfo(
  ports: Ports,
  request: { readonly project: ProjectName; readonly name: ServerName },
): Promise<{ readonly info: ServerInfo; readonly notices: readonly Notice[] }> {
  const { project, name } = request;
  const { servers, engine, now } = await lookUpServers(ports, { project, names: [name] });
  const [view] = servers;
  if (view === undefined) throw serverNotFound(project, name, []);
  const { container, status } = view;
  const [{ counts, health, notices }, image, refused] = await Promise.all([
    readKept(ports, [container], { engine: engine.id, project }),
    ports.orchestrator().then(({ imageOf }) => imageOf(view)),
    refusedTo(ports, view),
  ]);
  const executions = counts === undefined ? null : (counts.get(container) ?? 0);
  const found = health.get(name);
  const info: ServerInfo = {
    ...detailOf(view, now, { command: image.command, refused }),
    imageDigests: image.digests,
    finishedAt: status.status === 'exited' ? isoTime(status.finishedAt) : null,
    executions,
    rotation: rotationOf(view, now, executions),
    health:
      found === undefined
        ? null
        : {
            verdict: found.verdict,
            checkedAt: isoTime(found.checkedAt),
            since: isoTime(found.since),
            tools: found.tools,
            detail: found.detail,
            about: standingOf(found, view),
          },
  };
  return { info, notices };
}
