import type { DeclaredServer } from '../../model/desired.ts';
import type { ServerName } from '../../model/ids.ts';
import { anywhere, type EngineTraits, type Place } from '../../model/place.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { duration } from '../../model/times.ts';

/** An engine as it is when servers are placed. */
export type EngineSeen = EngineTraits &
  (
    | {
        readonly answers: true;
        /** Servers that are on it, with when their containers were made, ms on a clock that is one for all engines. */
        readonly servers: ReadonlyMap<ServerName, number>;
      }
    | {
        readonly answers: false;
        /** So long it has not answered that servers that may move are made elsewhere. */
        readonly isLost: boolean;
        /** Servers that were on it when it answered last; undefined where nobody here has seen it. */
        readonly servers: ReadonlySet<ServerName> | undefined;
      }
  );

type Answering = Extract<EngineSeen, { answers: true }>;
type Away = Extract<EngineSeen, { answers: false }>;

/** Where a server shall be: on an engine, or on none for now, and why. */
export type Placing =
  | { readonly kind: 'on'; readonly engine: string; readonly from?: string }
  /** `silent`: until an engine that does not answer does so again. */
  | { readonly kind: 'nowhere'; readonly silent: boolean; readonly why: string; readonly hint: string };

export type Placed = {
  readonly placings: ReadonlyMap<ServerName, Placing>;
  /** Servers that go from an engine, by its name: they shall be on another one. */
  readonly leaving: ReadonlyMap<string, readonly ServerName[]>;
  readonly warnings: readonly PlanWarning[];
};

const allows = ({ name, labels }: EngineTraits, place: Place): boolean =>
  (place.engines?.includes(name) ?? true) &&
  Object.entries(place.labels).every(([key, value]) => labels[key] === value);

/** Whether files of a server are on its engine, and would not come along. */
const holdsFiles = ({ spec }: DeclaredServer): boolean =>
  spec.mounts.some(({ type }) => type === 'volume') || spec.lifecycle.preserve.length > 0;

const placeOf = ({ place = anywhere }: DeclaredServer): Place => place;

/** What is asked for, in words. */
function wanted({ engines, labels }: Place): string {
  const parts = [
    ...(engines === undefined ? [] : [`one of ${engines.join(', ')}`]),
    ...Object.entries(labels).map(([key, value]) => `${key}: ${value}`),
  ];
  return parts.join(' and ');
}

const traitsText = (engines: readonly EngineTraits[]): string =>
  engines
    .map(({ name, labels }) => {
      const text = Object.entries(labels).map(([key, value]) => `${key}: ${value}`);
      return text.length === 0 ? name : `${name} (${text.join(', ')})`;
    })
    .join(', ');

/** How many servers an engine has, and is given. */
type Loads = Map<string, number>;

/** The engine for a server that is on none. The first of equals is the one that looms.yaml names first. */
function choose(
  candidates: readonly Answering[],
  { prefer, engines: named }: Place,
  loads: Loads,
): Answering | undefined {
  const open = candidates.filter(({ name, weight }) => weight > 0 || named?.includes(name) === true);
  const fullness = ({ name, weight }: Answering): number =>
    ((loads.get(name) ?? 0) + 1) / (weight > 0 ? weight : Number.MIN_VALUE);
  const better = (a: Answering, b: Answering): boolean => {
    if (prefer === 'cost' && a.cost !== b.cost) return a.cost < b.cost;
    return fullness(a) < fullness(b);
  };
  return open.reduce<Answering | undefined>(
    (best, one) => (best === undefined || better(one, best) ? one : best),
    undefined,
  );
}

/** The engine that may have a server without telling, so that nobody else may make it. */
function mayHave(server: DeclaredServer, away: readonly Away[]): Away | undefined {
  const { spec } = server;
  const place = placeOf(server);
  return away.find((engine) => {
    const knows = engine.servers?.has(spec.name);
    if (knows === false) return false;
    // What is written to two volumes at once is lost in one of them.
    if (holdsFiles(server)) return true;
    if (!allows(engine, place) && knows !== true) return false;
    return !(engine.isLost && place.onLost === 'move');
  });
}

/**
 * Places servers on engines. A server stays where it is while it may be there: nothing is moved for balance. Pure; the same
 * input gives the same places, whoever asks.
 */
export function placeServers(servers: readonly DeclaredServer[], engines: readonly EngineSeen[]): Placed {
  const answering = engines.filter((one) => one.answers);
  const away = engines.filter((one) => !one.answers);
  const placings = new Map<ServerName, Placing>();
  const leaving = new Map<string, ServerName[]>();
  const warnings: PlanWarning[] = [];
  const loads: Loads = new Map();
  const put = (server: DeclaredServer, engine: string, from?: string): void => {
    loads.set(engine, (loads.get(engine) ?? 0) + 1);
    placings.set(server.spec.name, { kind: 'on', engine, ...(from === undefined ? {} : { from }) });
  };
  const sorted = servers.toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  // Of several the one that was made last: it was made since the other one did not answer.
  const holders = ({ spec }: DeclaredServer): readonly Answering[] =>
    answering
      .filter((one) => one.servers.has(spec.name))
      .toSorted((a, b) => (b.servers.get(spec.name) ?? 0) - (a.servers.get(spec.name) ?? 0));
  const homeless: DeclaredServer[] = [];
  for (const server of sorted) {
    const { name } = server.spec;
    const at = holders(server);
    const [newest] = at;
    const stays = at.find((one) => allows(one, placeOf(server)));
    if (stays !== undefined) put(server, stays.name);
    // A server that shall not run is made nowhere, so there is nothing to move it to.
    else if (newest !== undefined && !server.spec.enabled) put(server, newest.name);
    else if (newest !== undefined && holdsFiles(server)) {
      put(server, newest.name);
      const message = `it stays on ${newest.name}, where its files are, and not on ${wanted(placeOf(server))} as its place says; to move it, bring its files there and \`looms delete\` it`;
      warnings.push({ code: 'place-not-kept', server: name, message });
    } else homeless.push(server);
  }
  for (const server of homeless) {
    const [from] = holders(server);
    const allowed = answering.filter((one) => allows(one, placeOf(server)));
    const hidden = from === undefined ? mayHave(server, away) : undefined;
    const chosen = hidden === undefined ? choose(allowed, placeOf(server), loads) : undefined;
    if (chosen !== undefined) {
      put(server, chosen.name, from?.name);
      continue;
    }
    const none = nowhere(server, hidden, engines, away);
    if (from === undefined) placings.set(server.spec.name, none);
    else {
      // What serves is not taken away for a place that there is not.
      put(server, from.name);
      warnings.push({
        code: 'place-not-kept',
        server: server.spec.name,
        message: `it stays on ${from.name}: ${none.why}`,
      });
    }
  }
  for (const server of sorted) {
    const placing = placings.get(server.spec.name);
    if (placing?.kind !== 'on') continue;
    const others = holders(server).filter(({ name }) => name !== placing.engine);
    if (others.length > 0 && holdsFiles(server)) {
      warnings.push(filesTwice(server, placing.engine, others));
      continue;
    }
    for (const { name } of others) leaving.set(name, [...(leaving.get(name) ?? []), server.spec.name]);
  }
  return { placings, leaving, warnings };
}

/** That nothing is taken away of a server whose files are on several engines: nobody but a person knows which of them count. */
function filesTwice({ spec: { name } }: DeclaredServer, stays: string, others: readonly Answering[]): PlanWarning {
  const names = others.map((one) => one.name);
  const message = `it is on ${stays}, and on ${names.join(', ')} as well, with files of its own on each: none is taken away; bring the files that count to one of them, and \`looms delete ${name}\` it on the other, by the --host or --context of that engine`;
  return { code: 'files-on-two-engines', server: name, message };
}

function nowhere(
  server: DeclaredServer,
  hidden: Away | undefined,
  engines: readonly EngineSeen[],
  away: readonly Away[],
): Extract<Placing, { readonly kind: 'nowhere' }> {
  const place = placeOf(server);
  if (hidden !== undefined) {
    const waits = holdsFiles(server)
      ? 'it waits for that engine, as its files may be there'
      : place.onLost === 'move'
        ? `\`looms watch\` makes it on another one once that has not answered for ${duration(hidden.lostAfterMs)}`
        : 'it waits for that engine: `place: { on_lost: move }` lets `looms watch` make it on another one';
    // Files, and what was seen there, are on that engine whatever a place says.
    const open = engines.filter((one) => one.answers && allows(one, place)).map(({ name }) => name);
    const mayBeNew = !holdsFiles(server) && hidden.servers === undefined && open.length > 0;
    const elsewhere = mayBeNew
      ? `; if it was never there, \`place: { engines: [${open.join(', ')}] }\` has it made now`
      : '';
    const hint = `${waits}${elsewhere}; one that is gone for good is taken out of engines in looms.yaml`;
    return { kind: 'nowhere', silent: true, why: `engine ${hidden.name}, which may have it, does not answer`, hint };
  }
  const silent = away.find((one) => allows(one, place));
  if (silent !== undefined) {
    const hint = 'no other engine is as its place says: it waits for that one';
    return { kind: 'nowhere', silent: true, why: `engine ${silent.name} does not answer`, hint };
  }
  const text = wanted(place);
  const [full] = engines.filter((one) => allows(one, place));
  const hint = 'an engine of weight 0 takes servers that name it: `place: { engines: [NAME] }`';
  if (full !== undefined)
    return { kind: 'nowhere', silent: false, why: `${full.name}, where it may be, has weight 0`, hint };
  return {
    kind: 'nowhere',
    silent: false,
    why: `no engine is as its place says: ${text}`,
    hint: `looms.yaml has ${traitsText(engines)}`,
  };
}
