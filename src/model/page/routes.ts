import type { LifecycleEvent } from '../trail/lifecycle-events.ts';
import type { PageAct, PageApproval, PageCall, PageCallResult, PageDone } from './deeds.ts';
import type { PageAudit, PageLogLine } from './past.ts';
import type { PageServerDetail } from './server.ts';
import type { PageRights, PageSample, PageState } from './state.ts';

// What the page of `looms serve` and the gateway say to one another (docs/page.md). Names are as in all JSON of looms.
// Moments are ISO 8601, UTC. All text may hold what a server, an engine or a file wrote: the page shows it as text only.

/** The events of `GET /page/stream`, each with an id that `Last-Event-ID` goes on from. */
export type PageMessage =
  /** How everything is: first, and whenever something of it changed. Takes the place of the one before. */
  | { readonly event: 'state'; readonly data: PageState }
  /** What came before, oldest first: after the first state, where the stream does not go on from an id that is known. */
  | {
      readonly event: 'past';
      readonly data: { readonly samples: readonly PageSample[]; readonly events: readonly LifecycleEvent[] };
    }
  /** Every 15 s. */
  | { readonly event: 'sample'; readonly data: PageSample }
  /** As `looms events -o json` prints it. */
  | { readonly event: 'event'; readonly data: LifecycleEvent }
  /** The stream ends here, and why: the token was revoked, or has ended. */
  | { readonly event: 'end'; readonly data: PageError };

/** The events of `GET /page/log?server=NAME|*&grep=REGEX&since=10m|TIME&tail=N`. */
export type PageLogMessage =
  | { readonly event: 'line'; readonly data: PageLogLine }
  /** What was there has been told; what comes now is written now. */
  | { readonly event: 'live'; readonly data: { readonly at: string } }
  | { readonly event: 'end'; readonly data: PageError };

/** The body of every answer that is none of 2xx, and of `end`. */
export type PageError = {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    /** Of `arguments-invalid`: what is wrong, by the name of the argument; empty: with all of them. */
    readonly fields?: Readonly<Record<string, string>>;
  };
};

/** `POST /page/code`, by the socket only: where the page is, and a code to log in with; neither where no TCP port has it. */
export type PageCode = { readonly url: string; readonly code: string } | Readonly<Record<string, never>>;

/** `POST /page/session`: a code of `looms dashboard`, or a token of a client, for a key of this page. */
export type PageLogin = { readonly code: string } | { readonly token: string };

/** The answer: `token` is the key, a bearer on `/page/…` only, gone with the gateway. `DELETE /page/session` ends it. */
export type PageSession = {
  readonly token: string;
  readonly principal: string;
  readonly may: PageRights;
  readonly expiresAt: string;
};

/** What is at each address: what it takes, and what it answers; of a stream its events. */
export type PageRoutes = {
  'POST /page/code': { readonly answers: PageCode };
  'POST /page/session': { readonly takes: PageLogin; readonly answers: PageSession };
  /** 204, with no body. */
  'DELETE /page/session': { readonly answers: undefined };
  'GET /page/stream': { readonly tells: PageMessage };
  'GET /page/log': { readonly tells: PageLogMessage };
  'GET /page/servers/NAME': { readonly answers: PageServerDetail };
  'GET /page/audit': { readonly answers: PageAudit };
  'POST /page/call': { readonly takes: PageCall; readonly answers: PageCallResult };
  'POST /page/act': { readonly takes: PageAct; readonly answers: PageDone };
  'POST /page/plan': { readonly takes: PageApproval; readonly answers: PageDone };
};
