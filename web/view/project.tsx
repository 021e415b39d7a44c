import { visible } from '../../src/cli/render/text.ts';
import { assertNever } from '../../src/model/errors.ts';
import type { PageState } from '../../src/model/page/state.ts';
import { duration } from '../../src/model/times.ts';
import { Mark } from '../part/mark.tsx';
import { Nothing } from '../part/notes.tsx';
import { type Column, Records } from '../part/records.tsx';
import { Tabs } from '../part/tabs.tsx';
import { fragmentOf, type ProjectTab, projectTabs } from '../state/route.ts';
import { usePage } from '../state/store.ts';
import { isUnknown, type MarkWords, markOf } from '../state/words.ts';
import { AuditView } from './audit.tsx';
import { Alerts } from './bar.tsx';
import { ProjectCharts } from './charts.tsx';
import { EventsView } from './events.tsx';
import { LogView } from './log.tsx';
import { PlanView } from './plan.tsx';

/** The project as a whole: what fires, what waits, how many servers are how, and the tools that fail or take long. */
export function ProjectView({ state, tab }: { readonly state: PageState; readonly tab: ProjectTab }) {
  const { go } = usePage();
  const tabs = projectTabs.filter((one) => (one !== 'log' || state.may.logs) && (one !== 'audit' || state.may.audit));
  const chosen = tabs.includes(tab) ? tab : 'overview';
  const waits = !isUnknown(state.plan) && !state.plan.inSync;
  return (
    <div class="place" id="place" tabIndex={-1}>
      <a class="back" href={fragmentOf({ of: 'list' })}>
        ‹ all servers
      </a>
      <div class="title">
        <h2>{visible(state.project)}</h2>
        <span class="quiet">the whole project</span>
      </div>
      <Tabs
        tabs={tabs}
        chosen={chosen}
        label={`about project ${visible(state.project)}`}
        beside={(one) => (one === 'plan' && waits ? '!' : undefined)}
        choose={(one) => go({ of: 'project', tab: one })}
      >
        <Panel tab={chosen} state={state} />
      </Tabs>
    </div>
  );
}

function Panel({ tab, state }: { readonly tab: ProjectTab; readonly state: PageState }) {
  switch (tab) {
    case 'overview':
      return <ProjectOverview state={state} />;
    case 'plan':
      return <PlanView state={state} />;
    case 'log':
      return <LogView />;
    case 'events':
      return <EventsView />;
    case 'audit':
      return <AuditView />;
    default:
      return assertNever(tab);
  }
}

function ProjectOverview({ state }: { readonly state: PageState }) {
  return (
    <>
      <Counts state={state} />
      <Alerts alerts={state.alerts} />
      <ProjectCharts />
      <section>
        <h3>tools of the last hour</h3>
        <ToolUses tools={state.tools} />
      </section>
      <section>
        <h3>what happened last</h3>
        <EventsView most={6} />
      </section>
    </>
  );
}

/** How many servers are how, those first that somebody should look at. */
function Counts({ state }: { readonly state: PageState }) {
  const groups = Map.groupBy(state.servers.map(markOf), ({ word }) => word);
  const order: readonly MarkWords['tone'][] = ['bad', 'warn', 'busy', 'good', 'quiet'];
  const rows = [...groups.values()]
    .flatMap((group) => (group[0] === undefined ? [] : [{ mark: group[0], count: group.length }]))
    .toSorted((a, b) => order.indexOf(a.mark.tone) - order.indexOf(b.mark.tone));
  if (rows.length === 0) return <Nothing>no servers</Nothing>;
  return (
    <ul class="counts" aria-label="servers by state">
      {rows.map(({ mark, count }) => (
        <li key={mark.word}>
          <strong class="number">{count}</strong> <Mark mark={mark} />
        </li>
      ))}
    </ul>
  );
}

type ToolUse = PageState['tools'][number];

const took = (ms: number | null): string => (ms === null ? '–' : duration(ms));
const toolColumns: readonly Column<ToolUse>[] = [
  {
    head: 'server',
    cell: ({ server }) => <a href={fragmentOf({ of: 'server', server, tab: 'tools' })}>{visible(server)}</a>,
  },
  { head: 'tool', cell: ({ tool }) => <code>{visible(tool)}</code> },
  { head: 'calls', cell: ({ calls }) => calls, isNumber: true },
  {
    head: 'failed',
    cell: ({ failed }) => failed,
    isNumber: true,
    tone: ({ failed }) => (failed > 0 ? 'bad' : 'quiet'),
  },
  { head: 'median', cell: ({ medianMs }) => took(medianMs), isNumber: true },
  { head: <abbr title="95 of 100 were faster">p95</abbr>, cell: ({ p95Ms }) => took(p95Ms), isNumber: true },
];

function ToolUses({ tools }: Pick<PageState, 'tools'>) {
  if (tools.length === 0) return <Nothing>no call in the last hour</Nothing>;
  // Those that fail most first, then the slowest.
  const sorted = tools.toSorted((a, b) => b.failed - a.failed || (b.p95Ms ?? 0) - (a.p95Ms ?? 0));
  const keyOf = ({ server, tool }: ToolUse): string => `${server} ${tool}`;
  return <Records label="tools of the last hour" entries={sorted} keyOf={keyOf} columns={toolColumns} />;
}
