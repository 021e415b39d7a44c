import { engineNamed } from '../../../model/engine.ts';
import type { ProjectName, ServerName } from '../../../model/ids.ts';
import { secretUses } from '../../../model/secrets/secret-names.ts';
import type { ServerView } from '../../../model/server-view.ts';
import { isoTime } from '../../../model/times.ts';
import { mapBounded } from '../../../model/values/map-bounded.ts';
import type { Ports } from '../../ports.ts';
import { lookUpServers, type Shown } from '../servers.ts';
import { apparmor, capabilities, hostAccess, newPrivileges, seccomp, secrets, user } from './posture-confinement.ts';
import { cpu, memory, pids, storage } from './posture-limits.ts';
import type { Look, Looked } from './posture-look.ts';
import { egress, mounts, network, root, tmpfs } from './posture-reach.ts';
import { readInside } from './read-inside.ts';

/**
 * Whether a promise is kept: `broken` by what the engine or the container itself says, `unknown` where the inside could not
 * be asked, `not-there` where the engine cannot give it.
 */
export type PostureVerdict = 'kept' | 'broken' | 'unknown' | 'not-there';

/** One promise of a spec or a default, and what is found of it. Texts for people, with foreign names in them. */
export type PosturePromise = {
  readonly promise: string;
  readonly spec: string;
  readonly engine: string;
  /** Read back by a process in the container; null where it could not be. */
  readonly inside: string | null;
  readonly verdict: PostureVerdict;
};

export type ServerPosture = Pick<
  ServerView,
  'project' | 'container' | 'generation' | 'image' | 'imageId' | 'specHash'
> & {
  readonly server: ServerName;
  /** RFC 3339, UTC. */
  readonly checkedAt: string;
  /** Whether no promise is broken. */
  readonly kept: boolean;
  /** Why nothing was read from inside. */
  readonly notRead?: string;
  readonly promises: readonly PosturePromise[];
};

function verdictOf({ engine, inside, engineLacksIt }: Looked): PostureVerdict {
  if (engineLacksIt === true) return 'not-there';
  if (!engine[1]) return 'broken';
  if (inside === 'not-asked') return 'kept';
  if (inside?.[1] === undefined) return 'unknown';
  return inside[1] ? 'kept' : 'broken';
}

const promises = [
  user,
  capabilities,
  newPrivileges,
  root,
  memory,
  cpu,
  pids,
  storage,
  network,
  egress,
  mounts,
  tmpfs,
  hostAccess,
  seccomp,
  apparmor,
  secrets,
] as const;

/** What a spec and the defaults promise of a server beside what the engine and the container say. Pure. */
const judgePosture = (look: Look): readonly PosturePromise[] =>
  promises.flatMap((promise) => {
    const looked = promise(look);
    if (looked === undefined) return [];
    const { engine, inside, spec } = looked;
    const verdict = verdictOf(looked);
    const read = inside === 'not-asked' ? null : (inside?.[0] ?? null);
    return { promise: looked.promise, spec, engine: engine[0], inside: read, verdict };
  });

/** All that is known of a server whose record cannot be read: nobody can say what it should be. */
const withoutRecord: PosturePromise = {
  promise: 'record',
  spec: 'what it was made from',
  engine: 'cannot be read, so nothing is known of what it should be',
  inside: null,
  verdict: 'broken',
};

/** Servers that are asked at once. */
const width = 4;

/**
 * Looks at the posture of the servers of a project, all or those named: one process in each container that runs reads how
 * it is confined. Changes nothing. Of a server whose record cannot be read that is the one promise, and it is broken.
 * Throws what `lookUpServers` throws.
 */
export async function lookAtPosture(
  ports: Ports,
  request: { readonly project: ProjectName; readonly names: readonly ServerName[] },
): Promise<Shown<ServerPosture>> {
  const { servers: views, engine, notices } = await lookUpServers(ports, request);
  const servers = await mapBounded(views, width, async (view): Promise<ServerPosture> => {
    const { name, project, container, generation, image, imageId, specHash, recorded } = view;
    const of = { server: name, project, container, generation, image, imageId, specHash };
    if (recorded === undefined) {
      return { ...of, checkedAt: isoTime(ports.now()), kept: false, promises: [withoutRecord] };
    }
    const { spec } = recorded;
    const names = secretUses(spec).map(({ variable }) => variable);
    const inside =
      view.status.status === 'running'
        ? await readInside(ports, view.container, names)
        : { why: view.state === 'asleep' ? 'it is asleep' : 'it does not run' };
    const found = judgePosture({
      spec,
      view,
      engine: engineNamed(engine, view),
      inside: 'why' in inside ? undefined : inside,
    });
    return {
      ...of,
      checkedAt: isoTime(ports.now()),
      kept: found.every(({ verdict }) => verdict !== 'broken'),
      ...('why' in inside ? { notRead: inside.why } : {}),
      promises: found,
    };
  });
  return { servers, notices };
}
