import { useRef } from 'preact/hooks';
import { byteSize, visible } from '../../src/cli/render/text.ts';
import type { PageServer, PageState } from '../../src/model/page/state.ts';
import { Mark } from '../part/mark.tsx';
import { fragmentOf } from '../state/route.ts';
import { usePage } from '../state/store.ts';
import { diffWords, markOf, nearFrom, percent, shareOf } from '../state/words.ts';

/** The servers of the project, each a link to its own view. */
export function ServerList({ state }: { readonly state: PageState }) {
  const { filter, route } = usePage();
  const at = route.value;
  const wanted = filter.value.trim().toLowerCase();
  const shown = state.servers.filter(({ name }) => name.toLowerCase().includes(wanted));
  const field = useRef<HTMLInputElement>(null);
  return (
    <nav class="servers" aria-label="servers">
      <div class="servers-head">
        <input
          ref={field}
          type="search"
          data-filter
          placeholder="filter servers  /"
          aria-label="filter servers by name"
          value={filter.value}
          onInput={({ currentTarget }) => {
            filter.value = currentTarget.value;
          }}
        />
        <a
          class="whole"
          href={fragmentOf({ of: 'project', tab: 'overview' })}
          aria-current={at.of === 'server' ? undefined : 'page'}
        >
          whole project
        </a>
      </div>
      <div class="server-row head" aria-hidden="true">
        <span>name</span>
        <span>state</span>
        <span class="number">gen</span>
        <span>diff</span>
        <span class="number">calls/min</span>
        <span>memory</span>
      </div>
      <ul data-walk>
        {shown.map((server) => (
          <li key={server.name}>
            <Row server={server} isCurrent={at.of === 'server' && at.server === server.name} />
          </li>
        ))}
      </ul>
      {shown.length > 0 ? null : (
        <p class="nothing">{state.servers.length === 0 ? 'no servers' : 'no server has this in its name'}</p>
      )}
    </nav>
  );
}

function Row({ server, isCurrent }: { readonly server: PageServer; readonly isCurrent: boolean }) {
  const { name, generation, use, limits, callsPerMinute } = server;
  const diff = diffWords(server);
  const share = use === null ? undefined : shareOf(use.memoryBytes, limits?.memoryBytes ?? null);
  return (
    <a
      class="server-row"
      href={fragmentOf({ of: 'server', server: name, tab: 'overview' })}
      aria-current={isCurrent ? 'page' : undefined}
    >
      <span class="name">{visible(name)}</span>
      <Mark mark={markOf(server)} />
      <span class="number gen">
        <span class="unseen">generation </span>
        {generation ?? '–'}
      </span>
      <span class={`diff ${diff.tone}`} title={diff.long}>
        <span class="unseen">diff: </span>
        {diff.text}
      </span>
      <span class="number calls">
        <span class="unseen">calls a minute: </span>
        {callsPerMinute ?? '–'}
      </span>
      <span class={share !== undefined && share >= nearFrom ? 'memory warn' : 'memory'}>
        <span class="unseen">memory: </span>
        {share === undefined ? null : <Gauge share={share} />}
        <span class="share">
          {use === null ? '–' : share === undefined ? byteSize(use.memoryBytes) : percent(share)}
        </span>
      </span>
    </a>
  );
}

/** How much of a limit is used. */
export const Gauge = ({ share }: { readonly share: number }) => (
  <svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
    <rect class="all" width="100" height="6" />
    <rect class="used" width={Math.min(100, share * 100)} height="6" />
  </svg>
);
