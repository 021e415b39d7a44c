import { useState } from 'preact/hooks';
import { visible } from '../../src/cli/render/text.ts';
import { assertNever } from '../../src/model/errors.ts';
import type { PageDone } from '../../src/model/page/deeds.ts';
import type { PageServerDetail } from '../../src/model/page/server.ts';
import type { PageServer } from '../../src/model/page/state.ts';
import { useAsked } from '../part/asked.ts';
import { Mark } from '../part/mark.tsx';
import { DoneNote, Nothing, RefusalNote } from '../part/notes.tsx';
import { Tabs } from '../part/tabs.tsx';
import { fragmentOf, type ServerTab, serverTabs } from '../state/route.ts';
import { usePage } from '../state/store.ts';
import { diffWords, markOf, stateWord } from '../state/words.ts';
import type { Refusal } from '../talk/request.ts';
import { AuditView } from './audit.tsx';
import { DiffView } from './diff.tsx';
import { EventsView } from './events.tsx';
import { HistoryView } from './history.tsx';
import { LogView } from './log.tsx';
import { ServerOverview } from './overview.tsx';
import { ToolsView } from './tools.tsx';

/** One server: what it is and does, and what can be done with it. */
export function ServerView({ server, tab }: { readonly server: PageServer; readonly tab: ServerTab }) {
  const { go } = usePage();
  const { name, health, generation, may } = server;
  const diff = diffWords(server);
  const mark = markOf(server);
  // What changes here changes what the detail says; each probe alone does not.
  const key = JSON.stringify([server.state, health.state, health.detail, generation, server.drift]);
  const detail = useAsked<PageServerDetail>(`/page/servers/${encodeURIComponent(name)}`, key);
  const tabs = serverTabs.filter((one) => (one !== 'log' || may.logs) && (one !== 'audit' || may.audit));
  const chosen = tabs.includes(tab) ? tab : 'overview';
  return (
    <div class="place" id="place" tabIndex={-1}>
      <a class="back" href={fragmentOf({ of: 'list' })}>
        ‹ all servers
      </a>
      <div class="title">
        <h2>{visible(name)}</h2>
        <Mark mark={mark} />
        <span class="quiet">
          {[
            ...(mark.word === stateWord(server) ? [] : [stateWord(server)]),
            ...(generation === null ? [] : [`generation ${generation}`]),
          ].join(' · ')}
        </span>
        <span class={diff.tone} title={diff.long}>
          {diff.text}
        </span>
        {may.operate ? <Deeds server={server} /> : null}
      </div>
      {server.description === null ? null : <p class="quiet about">{visible(server.description)}</p>}
      {health.detail === '' ? null : <p class="detail">{visible(health.detail)}</p>}
      <Tabs
        tabs={tabs}
        chosen={chosen}
        label={`about ${visible(name)}`}
        beside={(one) => countOf(one, server, detail.value)}
        choose={(one) => go({ of: 'server', server: name, tab: one })}
      >
        {detail.refusal === undefined ? null : <RefusalNote refusal={detail.refusal} />}
        <Panel tab={chosen} server={server} detail={detail.value} />
      </Tabs>
    </div>
  );
}

function countOf(tab: ServerTab, server: PageServer, detail: PageServerDetail | undefined): string | undefined {
  if (tab === 'tools' && detail?.tools.kind === 'known') return String(detail.tools.list.length);
  if (tab === 'diff' && server.drift.kind === 'known' && server.drift.action !== 'unchanged') return '!';
  return undefined;
}

type PanelProps = {
  readonly tab: ServerTab;
  readonly server: PageServer;
  readonly detail: PageServerDetail | undefined;
};

function Panel({ tab, server, detail }: PanelProps) {
  const { name } = server;
  switch (tab) {
    case 'overview':
      return <ServerOverview server={server} detail={detail} />;
    case 'log':
      return <LogView key={name} server={name} />;
    case 'events':
      return <EventsView server={name} />;
    case 'audit':
      return <AuditView key={name} server={name} />;
    case 'diff':
      return detail === undefined ? <Asking /> : <DiffView diff={detail.diff} />;
    case 'tools':
      return detail === undefined ? <Asking /> : <ToolsView key={name} server={name} tools={detail.tools} />;
    case 'history':
      return detail === undefined ? <Asking /> : <HistoryView history={detail.history} />;
    default:
      return assertNever(tab);
  }
}

const Asking = () => <Nothing>asking …</Nothing>;

type Doing =
  | { readonly is: 'idle' }
  | { readonly is: 'doing'; readonly word: string }
  | { readonly is: 'ended'; readonly done: PageDone }
  | { readonly is: 'refused'; readonly refusal: Refusal };

const deeds = ['start', 'restart', 'stop'] as const;
type Deed = (typeof deeds)[number];

const warnings: Readonly<Record<Exclude<Deed, 'start'>, string>> = {
  restart: 'Sessions that are open on it end. A new container takes over when it has answered.',
  stop: 'Sessions that are open on it end, and calls of it fail until somebody starts it again.',
};

/** Start, restart, stop; the latter two are repeated by name. */
function Deeds({ server: { name, state } }: { readonly server: PageServer }) {
  const { gateway, question, said } = usePage();
  const [doing, setDoing] = useState<Doing>({ is: 'idle' });
  const run = async (deed: Deed): Promise<void> => {
    setDoing({ is: 'doing', word: deed });
    const answer = await gateway.ask<PageDone>('POST', '/page/act', { deed, server: name, repeat: name });
    setDoing(answer.done ? { is: 'ended', done: answer.value } : { is: 'refused', refusal: answer.refusal });
    if (answer.done) said.value = `${deed} of ${name}: ${answer.value.outcome}`;
  };
  const ask = (deed: Deed): void => {
    if (deed === 'start') return void run(deed);
    question.value = {
      title: `${deed} ${name}?`,
      text: warnings[deed],
      repeat: name,
      word: deed,
      agree: () => void run(deed),
    };
  };
  const isOn = state === 'running' || state === 'restarting' || state === 'paused' || state === 'asleep';
  return (
    <>
      <span class="deeds">
        {deeds.map((deed) => (
          <button
            type="button"
            key={deed}
            disabled={doing.is === 'doing' || (deed === 'start' ? isOn : !isOn)}
            onClick={() => ask(deed)}
          >
            {doing.is === 'doing' && doing.word === deed ? `${deed} …` : deed}
          </button>
        ))}
      </span>
      {doing.is === 'ended' ? <DoneNote done={doing.done} /> : null}
      {doing.is === 'refused' ? <RefusalNote refusal={doing.refusal} /> : null}
    </>
  );
}
