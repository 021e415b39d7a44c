import type { EngineEvent, PlainEvent } from '../../../model/engine-events.ts';
import { asContainerId, asServerName, namePattern, type ProjectName } from '../../../model/ids.ts';
import { readClaim } from '../../model/claims.ts';
import { label } from '../../model/labels.ts';
import type { EventQuery, ServerWatch } from '../../port.ts';
import { get } from '../connection/ask.ts';
import type { Client } from '../connection/connection.ts';
import { isEngineHealth } from '../containers/inspected.ts';
import { followStream, type StreamEntry } from '../images/stream.ts';
import { secondsOf } from '../logs/logs.ts';

/** After which of a container's events another one may serve, or it is not as it was; Docker's words and Podman's. Execs are events, too. */
const telling: ReadonlySet<unknown> = new Set([
  'start',
  'die',
  'died',
  'stop',
  'rename',
  'pause',
  'unpause',
  'update',
  'destroy',
  'remove',
]);

/**
 * Tells of a server when a container with its labels changes. Anybody can write labels: it says where to look, and nothing
 * more. Resolves when the engine ends it; throws `interrupted`, and what the engine throws.
 */
export async function watchServers(client: Client, project: ProjectName, hear: ServerWatch): Promise<void> {
  await followStream(
    client,
    'hear of changes of containers',
    get('/events', { filters: ofContainers(project) }),
    (entry) => {
      const server = entry.Actor?.Attributes?.[label.server];
      const event = hear.onEvent && engineEvent(entry);
      if (event !== undefined) hear.onEvent?.(event);
      if (telling.has(entry.Action) && server !== undefined && namePattern.test(server))
        hear.onChange(asServerName(server));
    },
    hear.onReady,
  );
}

const ofContainers = (project: ProjectName) => ({ type: ['container'], label: [`${label.project}=${project}`] });

/** Docker's words and Podman's for what needs no more words. */
const plainTypes: Readonly<Record<string, PlainEvent>> = {
  create: 'created',
  start: 'started',
  pause: 'paused',
  unpause: 'unpaused',
  rename: 'renamed',
  update: 'updated',
  destroy: 'removed',
  remove: 'removed',
  oom: 'oom',
};

/** What an entry of the engine's events says of a server; undefined when it is about something else. */
export function engineEvent({ Action: action = '', Actor: actor, timeNano = 0 }: StreamEntry): EngineEvent | undefined {
  const { ID: id = '', Attributes: attributes = {} } = actor ?? {};
  const claim = readClaim(attributes);
  if (claim?.role !== 'server' || claim.server === undefined) return undefined;
  const about = {
    key: `${timeNano} ${action} ${id}`,
    time: Math.floor(timeNano / 1e6),
    server: claim.server,
    generation: claim.generation,
    container: asContainerId(id),
    containerName: attributes.name ?? '',
  };
  if (action === 'die' || action === 'died') {
    return { ...about, type: 'ended', exitCode: Number(attributes.exitCode ?? attributes.containerExitCode ?? 0) };
  }
  const health = /^health_status: ?(\w+)$/.exec(action)?.[1];
  if (isEngineHealth(health)) return { ...about, type: 'health', health };
  const type = plainTypes[action];
  return type === undefined ? undefined : { ...about, type };
}

/**
 * Tells what the engine remembers from a moment on, and with `follow` what comes, until the signal aborts (`interrupted`).
 * Docker remembers the last 256 events of all that it runs, so what is told of the past is a part of it.
 */
export async function followEvents(
  client: Client,
  project: ProjectName,
  { since, follow }: EventQuery,
  onEvent: (event: EngineEvent) => void,
): Promise<void> {
  const until = follow ? {} : { until: await secondsOf({ agoMs: 0 }, client) };
  const span = { since: await secondsOf(since, client), ...until };
  await followStream(client, 'read events', get('/events', { ...span, filters: ofContainers(project) }), (entry) => {
    const event = engineEvent(entry);
    if (event !== undefined) onEvent(event);
  });
}
