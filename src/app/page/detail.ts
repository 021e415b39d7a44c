import { insteadOf } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { GenerationView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import type { PageDetail } from '../../serve/page/source.ts';
import { readKept } from '../inspect/read-kept.ts';
import { type ServerInfo, serverInfo } from '../inspect/server-info.ts';
import { lookUpServers } from '../inspect/servers.ts';
import type { Ports } from '../ports.ts';
import { changeTold, driftIn, healthOf, type LookParts } from './look.ts';

/** What is there of a server; undefined where only files have it. */
const infoOf = (ports: Ports, project: ProjectName, name: ServerName): Promise<ServerInfo | undefined> =>
  serverInfo(ports, { project, name })
    .then(({ info }) => info)
    .catch(insteadOf('server-not-found', () => undefined));

async function historyOf(ports: Ports, project: ProjectName, name: ServerName): Promise<readonly GenerationView[]> {
  const { history } = await ports.orchestrator();
  return history(project, name).catch(insteadOf('server-not-found', () => []));
}

function containerOf(info: ServerInfo): NonNullable<PageDetail['container']> {
  const { byExecutions } = info.rotation;
  return {
    id: info.container,
    name: info.containerName,
    imageId: info.imageId,
    user: info.user,
    command: info.command,
    startedAt: info.startedAt,
    exitCode: info.exitCode,
    networks: info.network.names,
    egress: info.network.egress,
    secrets: info.secrets,
    rotatesAt: info.rotatesAt,
    callsLeft: byExecutions?.left ?? null,
    executionTimeoutSeconds: info.limits.executionTimeoutSeconds,
    maxExecutions: byExecutions?.limit ?? null,
  };
}

/** What is told of one server without asking it. Throws `server-not-found` for one that is neither there nor declared. */
export async function serverDetail(
  ports: Ports,
  { project, words, loop: viewOf }: LookParts,
  name: ServerName,
): Promise<PageDetail> {
  const loop = viewOf?.();
  const isDeclared = loop?.look?.servers.some(({ spec }) => spec.name === name) === true;
  const info = await infoOf(ports, project, name);
  // Whoever asks for one that is not there is told so in the words of all commands.
  const { servers, engine } = await lookUpServers(ports, {
    project,
    names: info === undefined && isDeclared ? [] : [name],
  });
  const view = servers.find((one) => one.name === name);
  const [{ health }, history] = await Promise.all([
    readKept(ports, [], { engine: engine.id, project }),
    historyOf(ports, project, name),
  ]);
  return {
    name,
    probe: loop?.probeOf(name)?.probe?.steps ?? [],
    health: healthOf(name, { view, record: health.get(name), loop, words }),
    diff: changeTold(loop, name, (change, plan) => ({
      kind: 'known',
      action: change.action,
      text: words.change(change),
      fields:
        'reasons' in change
          ? change.reasons.flatMap((reason) =>
              'fields' in reason && reason.kind !== 'live-drift' ? reason.fields : [],
            )
          : [],
      drift: driftIn(plan, name),
    })),
    history: history.map(({ generation, state, live, image, since, until, source, failure, changes }) => ({
      generation,
      state,
      live,
      image,
      since: since === null ? null : isoTime(since),
      until: until === null ? null : isoTime(until),
      source,
      failure,
      changes,
    })),
    container: info === undefined ? null : containerOf(info),
    spec: info?.spec ?? null,
  };
}
