import { batch, effect, signal } from '@preact/signals';
import { assertNever } from '../src/model/errors.ts';
import type { PageMessage, PageSession } from '../src/model/page/routes.ts';
import type { PageSample } from '../src/model/page/state.ts';
import type { LifecycleEvent } from '../src/model/trail/lifecycle-events.ts';
import { emptyRing, withMore } from './state/ring.ts';
import { fragmentOf, routeOf } from './state/route.ts';
import { createStore, type Page, type Store } from './state/store.ts';
import { gatewayWith, refusalOf } from './talk/request.ts';
import { followStream } from './talk/stream.ts';

/** The key of this page in the tab's storage: it ends with the tab, and no other origin or port sees it. */
const keyName = 'looms.key';
const singleKeysName = 'looms.single-keys';
/** How many events are kept, and how long samples are, ms. */
const mostEvents = 500;
const sampleMs = 3_600_000;
/** How often ages are told anew, ms. */
const tickMs = 5_000;

/** The page in this window: enters by the code in its address or by the key of this tab, and follows what the gateway tells. */
export function openPage(window: Window): Page {
  const { location, history, sessionStorage, localStorage } = window;
  /** A code in the address, taken out before anything else: what is in the address is in the history and in bookmarks. */
  const takeCode = (): string | undefined => {
    const code = /^#c=([\w-]+)$/.exec(location.hash)?.[1];
    if (code !== undefined) history.replaceState(null, '', location.pathname + fragmentOf({ of: 'list' }));
    return code;
  };
  const code = takeCode();

  const now = signal(Date.now());
  window.setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, tickMs);
  const store = createStore(now, location.hash, localStorage.getItem(singleKeysName) !== 'off');
  const { visitor, route } = store;
  window.addEventListener('hashchange', () => {
    const another = takeCode();
    if (another !== undefined) void enter({ code: another });
    route.value = routeOf(location.hash);
  });
  effect(() => localStorage.setItem(singleKeysName, store.singleKeys.value ? 'on' : 'off'));

  const keyOf = (): string | undefined => (visitor.value.is === 'in' ? visitor.value.session.token : undefined);
  const forget = (why?: ReturnType<typeof refusalOf>): void => {
    sessionStorage.removeItem(keyName);
    batch(() => {
      store.state.value = undefined;
      store.samples.value = [];
      store.events.value = emptyRing;
      visitor.value = { is: 'asked', ...(why === undefined ? {} : { why }) };
    });
  };
  const gateway = gatewayWith(keyOf, () => forget(ended));

  const enter: Page['enter'] = async (given) => {
    const before = visitor.value;
    visitor.value = { is: 'entering' };
    const answer = await gateway.ask<PageSession>('POST', '/page/session', given);
    // Whoever is in stays in: an address with a code that is none may come from anywhere.
    if (!answer.done) {
      if (before.is === 'in') visitor.value = before;
      else forget(answer.refusal);
      return;
    }
    const { token, principal } = answer.value;
    sessionStorage.setItem(keyName, JSON.stringify({ token, principal }));
    visitor.value = { is: 'in', session: { token, principal } };
  };

  const known = sessionOf(sessionStorage.getItem(keyName));
  if (known !== undefined) visitor.value = { is: 'in', session: known };
  if (code !== undefined) void enter({ code });

  effect(() => {
    if (visitor.value.is !== 'in') return;
    const controller = new AbortController();
    void followStream(
      gateway,
      '/page/stream',
      {
        event: ({ event, data }) => take(store, { event, data: JSON.parse(data) } as PageMessage, forget),
        state: (link) => {
          store.link.value = link;
          if (link.is === 'over' && link.refusal?.status === 403) forget(link.refusal);
        },
      },
      controller.signal,
    );
    return () => controller.abort();
  });

  return {
    ...store,
    gateway,
    enter,
    leave: async () => {
      await gateway.ask('DELETE', '/page/session');
      forget();
    },
    go: (to) => {
      // At once: what is pressed next is pressed there.
      route.value = to;
      location.hash = fragmentOf(to);
    },
  };
}

const ended = {
  status: 401,
  code: 'signed-out',
  message: 'the session of this page has ended',
  hint: 'looms dashboard prints an address with a new code',
} as const;

/** What the gateway told, put where views see it. */
function take(store: Store, message: PageMessage, forget: (why: ReturnType<typeof refusalOf>) => void): void {
  switch (message.event) {
    case 'state':
      store.state.value = message.data;
      return;
    case 'past':
      batch(() => {
        store.samples.value = inHour(message.data.samples);
        store.events.value = withMore<LifecycleEvent>(emptyRing, message.data.events, mostEvents);
      });
      return;
    case 'sample':
      store.samples.value = inHour([...store.samples.value, message.data]);
      return;
    case 'event':
      if (store.events.value.items.some(({ id }) => id === message.data.id)) return;
      store.events.value = withMore<LifecycleEvent>(store.events.value, [message.data], mostEvents);
      return;
    case 'end':
      forget(refusalOf(401, JSON.stringify(message.data)));
      return;
    default:
      assertNever(message);
  }
}

const inHour = (samples: readonly PageSample[]): readonly PageSample[] => {
  const from = Date.parse(samples.at(-1)?.at ?? '') - sampleMs;
  return samples.filter(({ at }) => Date.parse(at) >= from);
};

function sessionOf(text: string | null): Pick<PageSession, 'token' | 'principal'> | undefined {
  try {
    const { token, principal } = JSON.parse(text ?? '{}');
    return typeof token === 'string' && typeof principal === 'string' ? { token, principal } : undefined;
  } catch {
    return undefined;
  }
}
