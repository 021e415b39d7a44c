import type { AlertTurn } from '../../model/alerts.ts';
import type { EngineEvent } from '../../model/engine-events.ts';
import { insteadOf } from '../../model/errors.ts';
import type { HealthPlace } from '../../model/health.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { serverMissing } from '../../model/server-not-found.ts';
import { parseSource } from '../../model/source.ts';
import { isoTime } from '../../model/times.ts';
import type { AlertTold, EngineTold, LifecycleEvent, LoomsDid } from '../../model/trail/lifecycle-events.ts';
import { defined } from '../../model/values/defined.ts';
import { ulid } from '../../model/values/ulid.ts';
import type { LogMoment } from '../../orchestrator/session-host.ts';
import type { Ports } from '../ports.ts';
import { readChanges, type SeenChange } from './read-audit.ts';
import { withoutLedger } from './read-kept.ts';

export type EventsRequest = {
  readonly project: ProjectName;
  /** Empty: all servers. */
  readonly names: readonly ServerName[];
  readonly since: LogMoment;
  /** Goes on with what comes until the signal aborts. */
  readonly follow: boolean;
};

/** Whether this machine's trail has a change of a server on an engine, at any time. */
async function wasChanged(
  { auditReader }: Ports,
  { engine, project }: HealthPlace,
  server: ServerName,
): Promise<boolean> {
  for await (const change of auditReader.changes({ project, servers: [server], newestFirst: true })) {
    if (change.engine === engine && change.servers?.some((one) => one.server === server)) return true;
  }
  return false;
}

/** Throws what `serverMissing` makes for a name of which no event was told, and that no server has or had here. */
export async function requireKnown(
  ports: Ports,
  { project, names }: Pick<EventsRequest, 'project' | 'names'>,
  told: ReadonlySet<string>,
): Promise<void> {
  if (names.every((name) => told.has(name))) return;
  const orchestrator = await ports.orchestrator();
  const { servers, deleted } = await orchestrator.servers(project);
  const known = [...servers.map(({ name }) => name), ...deleted].sort();
  const described = await orchestrator.describe();
  for (const name of names) {
    if (told.has(name) || known.includes(name) || (await wasChanged(ports, { engine: described.id, project }, name)))
      continue;
    throw serverMissing(described, project, name, known);
  }
}

/** The id by which `looms events` tells an event of the engine. */
export const engineEventId = ({ key, time }: Pick<EngineEvent, 'key' | 'time'>): string => ulid(time, key);

function engineTold(project: ProjectName, { key, time, ...event }: EngineEvent): EngineTold {
  return { v: 1, id: engineEventId({ key, time }), ts: isoTime(time), source: 'engine', project, ...event };
}

const alertTold = (project: ProjectName, { time, ...turn }: AlertTurn): AlertTold => ({
  v: 1,
  id: ulid(time, `${turn.server} ${turn.rule} ${turn.state}`),
  ts: isoTime(time),
  source: 'looms',
  type: 'alert',
  project,
  ...turn,
});

/** An event for each server of a change. */
function loomsDid(project: ProjectName, change: SeenChange): readonly LoomsDid[] {
  const { time, endedAt = time, durationMs: ms, command, user, host, servers = [], outcomes = [], result } = change;
  const { change: run, trigger, traceId, principal = `${user}@${host}` } = change;
  return servers.map(({ server, action, gen, source, reasons = [], event }) => {
    const outcome = outcomes.find((one) => one.server === server);
    const { code = change.code, message = change.message } = outcome ?? {};
    const { file, line, commit, commitBy: author } = source === undefined ? {} : parsedSource(source);
    return {
      v: 1,
      id: ulid(Date.parse(time), `${change.change} ${server}`),
      ts: endedAt,
      source: 'looms',
      type: 'changed',
      project,
      server,
      action,
      ...defined({ gen }),
      reasons,
      run,
      cause: {
        ...defined({ trigger }),
        command,
        principal,
        ...defined({ event, file, line, commit, author }),
      },
      result: outcome?.outcome ?? result,
      ...defined({ code, message, ms, traceId }),
    };
  });
}

const parsedSource = (text: string) => parseSource(text, '');

/** What is known of a project's engine events from a moment on: what the engine remembers, and what a watch kept here. */
export async function pastEvents(
  ports: Ports,
  at: HealthPlace,
  since: LogMoment,
  signal: AbortSignal,
): Promise<readonly EngineEvent[]> {
  const from = 'at' in since ? since.at : ports.now() - since.agoMs;
  const unknown = withoutLedger(ports, 'events-unknown', 'events that a watch kept are not known', []);
  const kept = await ports.keptLogs.events(at, from).catch(unknown);
  const events = new Map(kept.map((event) => [event.key, event]));
  const { events: ask } = await ports.orchestrator();
  await ask(at.project, { since, follow: false }, (event) => void events.set(event.key, event), { signal });
  return [...events.values()].sort((a, b) => a.time - b.time);
}

/** What alerts did from a moment on, ms since 1970; nothing where what is kept cannot be read: `pastEvents` warns of that. */
async function pastAlerts(ports: Ports, at: HealthPlace, since: number): Promise<readonly AlertTold[]> {
  const turns = await ports.keptLogs.alertTurns(at, since).catch(insteadOf('ledger-unreadable', () => []));
  return turns.map((turn) => alertTold(at.project, turn));
}

/** How often the trail is looked at for what is new, ms. */
const lookEveryMs = 1_000;
/** How late what alerts did may be kept, ms. */
const overlapMs = 60_000;

/**
 * What happened to the servers of a project from a moment on, oldest first, and with `follow` what comes, as it comes. A
 * change that goes on is told when it has ended, and told as `running` where nobody follows. Throws `ledger-unreadable`,
 * and what the engine throws.
 */
export async function* lifecycleEvents(
  ports: Ports,
  { project, names, since, follow }: EventsRequest,
  signal: AbortSignal,
): AsyncGenerator<LifecycleEvent> {
  const orchestrator = await ports.orchestrator();
  const { id: engine } = await orchestrator.describe({ signal });
  const from = 'at' in since ? since.at : ports.now() - since.agoMs;
  const told = new Set<string>();
  const isNew = ({ id, server }: LifecycleEvent): boolean => {
    if (told.has(id) || (names.length > 0 && !names.includes(server))) return false;
    told.add(id);
    return true;
  };
  /** What a part of the trail says; changes that go on are left for later where somebody follows. */
  const changes = async (part: { readonly since: string } | { readonly after: number }) => {
    const events: LoomsDid[] = [];
    let next = await ports.auditReader.newest();
    for await (const change of readChanges(ports, { project, ...part })) {
      if (change.engine !== undefined && change.engine !== engine) continue;
      if (follow && change.result === 'running') next = Math.min(next, change.seq - 1);
      else events.push(...loomsDid(project, change));
    }
    return { events, next };
  };

  const past = await pastEvents(ports, { engine, project }, since, signal);
  const first = await changes({ since: isoTime(from) });
  const at = { engine, project };
  let lookedAt = ports.now();
  const alerts = await pastAlerts(ports, at, from);
  const before = [...past.map((event) => engineTold(project, event)), ...alerts, ...first.events].filter(isNew);
  yield* before.sort(byTime);
  if (!follow) return;

  const heard: EngineTold[] = [];
  const last = past.at(-1);
  let stirred = new AbortController();
  let ended: { readonly failure?: unknown } | undefined;
  const hear = (event: EngineEvent): void => {
    heard.push(engineTold(project, event));
    stirred.abort();
  };
  const end = (how: { readonly failure?: unknown }): void => {
    ended = how;
    stirred.abort();
  };
  orchestrator
    .events(project, { since: last === undefined ? since : { at: last.time }, follow: true }, hear, { signal })
    .then(
      () => end({}),
      (failure: unknown) => end({ failure }),
    );
  let { next } = first;
  while (!signal.aborted) {
    const isGrown = (await ports.auditReader.newest()) > next;
    const now = isGrown ? await changes({ after: next }) : { events: [], next };
    ({ next } = now);
    // Those that a loop kept since, also where it looked at its clock before the last look here, and kept them after it.
    const alertsSince = Math.max(from, lookedAt - overlapMs);
    lookedAt = ports.now();
    const turned = await pastAlerts(ports, at, alertsSince);
    yield* [...heard.splice(0), ...turned, ...now.events].filter(isNew).sort(byTime);
    if (ended !== undefined) {
      if ('failure' in ended && !signal.aborted) throw ended.failure;
      return;
    }
    stirred = new AbortController();
    if (heard.length === 0) await ports.pause(lookEveryMs, AbortSignal.any([signal, stirred.signal]));
  }
}

const byTime = (a: LifecycleEvent, b: LifecycleEvent): number => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0);
