import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { PageSession } from '../../src/model/page/routes.ts';
import type { PageSample, PageState } from '../../src/model/page/state.ts';
import type { LifecycleEvent } from '../../src/model/trail/lifecycle-events.ts';
import type { Gateway, Refusal } from '../talk/request.ts';
import type { StreamState } from '../talk/stream.ts';
import { emptyRing, type Ring } from './ring.ts';
import { type Route, routeOf } from './route.ts';

/** Who looks at the page: asked for (with why the last way in did not work), on the way in, or in. */
export type Visitor =
  | { readonly is: 'asked'; readonly why?: Refusal }
  | { readonly is: 'entering' }
  | { readonly is: 'in'; readonly session: Pick<PageSession, 'token' | 'principal'> };

/** What a dialog asks for before something is done. */
export type Question = {
  readonly title: string;
  readonly text: string;
  /** What has to be typed; undefined: nothing. */
  readonly repeat?: string;
  readonly word: string;
  readonly agree: () => void;
};

/** All that the page knows. Views read it; what is done with it is in `page.ts`. */
export type Store = {
  readonly visitor: Signal<Visitor>;
  readonly state: Signal<PageState | undefined>;
  /** Of the last hour, oldest first. */
  readonly samples: Signal<readonly PageSample[]>;
  readonly events: Signal<Ring<LifecycleEvent>>;
  readonly link: Signal<StreamState>;
  readonly route: Signal<Route>;
  /** What names of servers have to hold. */
  readonly filter: Signal<string>;
  readonly question: Signal<Question | undefined>;
  /** What is said to who does not see that something changed. */
  readonly said: Signal<string>;
  /** Whether single keys are shortcuts (WCAG 2.1.4: they can be switched off). */
  readonly singleKeys: Signal<boolean>;
  /** The moment that ages are told at, ms since the epoch. */
  readonly now: ReadonlySignal<number>;
};

/** What the page knows before the gateway told anything. `fragment`: of its address, which says what is looked at first. */
export const createStore = (now: ReadonlySignal<number>, fragment: string, singleKeys: boolean): Store => ({
  visitor: signal<Visitor>({ is: 'asked' }),
  state: signal(undefined),
  samples: signal([]),
  events: signal<Ring<LifecycleEvent>>(emptyRing),
  link: signal<StreamState>({ is: 'opening' }),
  route: signal(routeOf(fragment)),
  filter: signal(''),
  question: signal(undefined),
  said: signal(''),
  singleKeys: signal(singleKeys),
  now,
});

/** What views are handed: what is known, the way to the gateway, and what a person can do. */
export type Page = Store & {
  readonly gateway: Gateway;
  /** Enters with a code of `looms dashboard` or with a token. */
  readonly enter: (given: { readonly code: string } | { readonly token: string }) => Promise<void>;
  readonly leave: () => Promise<void>;
  readonly go: (route: Route) => void;
};

export const PageContext = createContext<Page | undefined>(undefined);

/** The page around a view. */
export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error('a view stands outside the page');
  return page;
}
