import { visible } from '../../src/cli/render/text.ts';
import type { PageState } from '../../src/model/page/state.ts';
import { duration } from '../../src/model/times.ts';
import { fragmentOf } from '../state/route.ts';
import { usePage } from '../state/store.ts';
import { ago, isUnknown, shortTotals, sourceWords } from '../state/words.ts';
import type { StreamState } from '../talk/stream.ts';

/** Top of the page: which project on which engine, where its specs come from, what fires, what waits. */
export function Bar({ state }: { readonly state: PageState }) {
  const { now, link, leave } = usePage();
  const { engine, source, plan } = state;
  const firing = state.alerts.filter((alert) => alert.state === 'firing').length;
  return (
    <header class="bar">
      <h1>
        <a href={fragmentOf({ of: 'list' })}>
          <span class="quiet">project</span> {visible(state.project)}
        </a>
      </h1>
      <dl class="facts">
        <div>
          <dt>engine</dt>
          <dd class={engine.failure === null ? '' : 'bad'}>
            {visible(`${engine.name} ${engine.version}`)}
            {engine.failure === null ? '' : `: ${visible(engine.failure.message)}`}
          </dd>
        </div>
        <div>
          <dt>source</dt>
          <dd title={isUnknown(source) ? '' : visible(source.commitBy ?? '')}>{sourceWords(source, now.value)}</dd>
        </div>
      </dl>
      <div class="chips">
        {firing === 0 ? null : (
          <a class="chip bad" href={fragmentOf({ of: 'project', tab: 'overview' })}>
            <span aria-hidden="true">▲</span> {firing} {firing === 1 ? 'alert fires' : 'alerts fire'}
          </a>
        )}
        {isUnknown(plan) || plan.inSync ? null : (
          <a class="chip warn" href={fragmentOf({ of: 'project', tab: 'plan' })}>
            {plan.running ? 'plan runs' : 'plan waits'}: {shortTotals(plan.totals)}
          </a>
        )}
      </div>
      <p class="who">
        <LinkState link={link.value} now={now.value} />
        <span class="quiet">{visible(state.principal)}</span>
        <button type="button" class="plain" onClick={() => void leave()}>
          sign out
        </button>
      </p>
    </header>
  );
}

/** Whether what is shown is as it is now. */
function LinkState({ link, now }: { readonly link: StreamState; readonly now: number }) {
  const words: Readonly<Record<StreamState['is'], string>> = {
    opening: 'connecting',
    open: 'live',
    waiting: link.is === 'waiting' ? `not connected, again in ${duration(Math.max(0, link.until - now))}` : '',
    resting: 'resting',
    over: link.is === 'over' && link.refusal ? `not connected: ${visible(link.refusal.message)}` : 'not connected',
  };
  return (
    <span class={link.is === 'open' ? 'link good' : 'link warn'} role="status">
      <span aria-hidden="true">{link.is === 'open' ? '●' : '○'}</span> {words[link.is]}
    </span>
  );
}

/** Alerts that are not calm, those that fire first. */
export function Alerts({ alerts }: Pick<PageState, 'alerts'>) {
  const { now } = usePage();
  if (alerts.length === 0) return null;
  return (
    <section>
      <h3>alerts</h3>
      <ul class="alerts">
        {alerts.map(({ rule, server, state, since, value }) => (
          <li key={`${server} ${rule}`} class={state === 'firing' ? 'bad' : 'quiet'}>
            <strong>{state}</strong> <code>{visible(rule)}</code>{' '}
            {server === null ? null : (
              <a href={fragmentOf({ of: 'server', server, tab: 'overview' })}>{visible(server)}</a>
            )}{' '}
            <span class="quiet">
              {visible(value)} · since {ago(since, now.value)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
