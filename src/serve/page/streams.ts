import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerName } from '../../model/ids.ts';
import type { PageState } from '../../model/page/state.ts';
import type { Grant } from '../access/guard.ts';
import type { createLoads } from '../access/limits.ts';
import { sendJson } from '../messages/reply.ts';
import { beginEvents, createSeats, type EventStream } from './event-stream.ts';
import type { Hub } from './hub.ts';
import { logWishOf, openLog } from './log.ts';
import { hasRight, rightsOf } from './rights.ts';
import { asPageError, type PageLook, type PageSource } from './source.ts';

/** Streams of one principal at once, and of all but the owner of the gateway, who has places of their own. */
const seats = { each: 16, all: 128 };
const ownSeats = { each: 16, all: 32 };
/** How often it is looked whether whoever looks may do so still, ms. */
const holdsMs = 1_000;

/** What the page is told as it happens. */
export type Streams = {
  /** `GET /page/stream`. */
  readonly follow: (request: IncomingMessage, response: ServerResponse, grant: Grant) => Promise<void>;
  /** `GET /page/log`, of these servers; none: of all. Throws what is wrong with what the address says. */
  readonly log: (
    response: ServerResponse,
    grant: Grant,
    servers: readonly ServerName[],
    query: URLSearchParams,
  ) => Promise<void>;
};

/** The streams of the page. `hub` is what is seen for all who follow; a log is read from `source` for whoever asks for it. */
export function createStreams({
  source,
  hub,
  loadOf,
  log,
}: {
  readonly source: PageSource;
  readonly hub: Hub;
  readonly loadOf: ReturnType<typeof createLoads>;
  /** Hears of failures of the gateway's own. */
  readonly log: (text: string) => void;
}): Streams {
  const places = createSeats(seats);
  const ownPlaces = createSeats(ownSeats);

  /**
   * A stream that ends when its principal may not look any more; undefined where whoever asked has left meanwhile, and,
   * answered, where there is no place.
   */
  const beginStream = (
    response: ServerResponse,
    grant: Grant,
  ): { readonly stream: EventStream; readonly isValid: () => boolean } | undefined => {
    if (response.closed) return undefined;
    const leave = (grant.kind === 'local' ? ownPlaces : places).take(`${grant.kind} ${grant.name}`);
    if (leave === undefined) {
      response.setHeader('retry-after', '5');
      const why = asPageError({ code: 'sessions-busy', message: `too many streams of ${grant.name} are open` });
      sendJson(response, 429, JSON.stringify(why));
      return undefined;
    }
    const stream = beginEvents(response, loadOf(grant.name, response));
    const isValid = (): boolean => grant.isValid() && grant.endsAt > Date.now();
    const check = setInterval(() => {
      if (isValid()) return;
      clearInterval(check);
      const why = asPageError({ code: 'insufficient-scope', message: 'the token was revoked, or has ended' });
      stream.send({ event: 'end', data: JSON.stringify(why) });
      stream.end();
    }, holdsMs);
    check.unref();
    stream.over.addEventListener('abort', () => {
      clearInterval(check);
      leave();
    });
    return { stream, isValid };
  };

  return {
    async follow(request, response, grant) {
      const begun = beginStream(response, grant);
      if (begun === undefined) return;
      const { stream: events } = begun;
      let shown = '';
      const send = (event: string, value: unknown, id: string): void =>
        events.send({ event, data: source.mask(JSON.stringify(value)), id });
      const after = request.headers['last-event-id'];
      const sees = ({ name }: { readonly name: string }): boolean => hasRight(grant, 'page', name);
      const leave = await hub.join(
        {
          look(found, id) {
            const state = stateFor(found, grant);
            const text = JSON.stringify(state);
            if (text === shown) return;
            shown = text;
            send('state', state, id);
          },
          past: ({ samples, events: before }, id) =>
            send(
              'past',
              {
                samples: samples.map(({ at, servers }) => ({ at, servers: servers.filter(sees) })),
                events: before.filter(({ server }) => sees({ name: server })),
              },
              id,
            ),
          entry(entry, id) {
            if (entry.event === 'sample') {
              const { at, servers } = entry.data;
              send('sample', { at, servers: servers.filter(sees) }, id);
            } else if (sees({ name: entry.data.server })) send('event', entry.data, id);
          },
        },
        typeof after === 'string' ? after : undefined,
      );
      if (events.over.aborted) leave();
      else events.over.addEventListener('abort', leave);
    },
    async log(response, grant, servers, query) {
      const tell = openLog(source, { servers, ...logWishOf(query) }, log);
      const begun = beginStream(response, grant);
      if (begun !== undefined) await tell(begun.stream, begun.isValid);
    },
  };
}

/** How everything is to somebody: of servers that they may not see, nothing is told. */
function stateFor(look: PageLook, grant: Pick<Grant, 'kind' | 'name' | 'scopes'>): PageState {
  const sees = (server: string): boolean => hasRight(grant, 'page', server);
  const seesAll = hasRight(grant, 'page');
  return {
    ...look,
    principal: grant.name,
    may: { ...rightsOf(grant), approve: seesAll && hasRight(grant, 'operate') },
    alerts: look.alerts.filter(({ server }) => server === null || sees(server)),
    servers: look.servers
      .filter(({ name }) => sees(name))
      .map((server) => ({ ...server, may: rightsOf(grant, server.name) })),
    plan:
      seesAll || look.plan.kind === 'unknown'
        ? look.plan
        : { kind: 'unknown', why: 'it may be about servers that you may not see' },
    tools: look.tools.filter(({ server }) => sees(server)),
  };
}
