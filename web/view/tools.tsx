import { useState } from 'preact/hooks';
import { visible, visibleLines } from '../../src/cli/render/text.ts';
import { isRecord } from '../../src/model/is-record.ts';
import type { PageCallResult, PageServerDetail, PageTool } from '../../src/model/page.ts';
import { duration } from '../../src/model/times.ts';
import { Nothing, RefusalNote, UnknownNote } from '../part/notes.tsx';
import { usePage } from '../state/store.ts';
import type { Refusal } from '../talk/request.ts';
import { ToolForm } from './form.tsx';
import { ToolResult } from './result.tsx';

/** The tools of a server behind its filter; one of them with a form to call it. */
export function ToolsView({ server, tools }: { readonly server: string } & Pick<PageServerDetail, 'tools'>) {
  const [chosen, choose] = useState<string | undefined>(undefined);
  const [filter, setFilter] = useState('');
  if (tools.kind === 'unknown') return <UnknownNote what="tools" of={tools} />;
  if (tools.list.length === 0) return <Nothing>it has no tools</Nothing>;
  const tool = tools.list.find(({ name }) => name === chosen) ?? tools.list[0];
  const wanted = filter.trim().toLowerCase();
  const shown = tools.list.filter(({ name }) => name.toLowerCase().includes(wanted));
  return (
    <div class="tools">
      <div class="tool-list">
        {tools.list.length < 9 ? null : (
          <input
            type="search"
            data-filter
            placeholder="filter tools  /"
            aria-label="filter tools by name"
            value={filter}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        )}
        <ul data-walk>
          {shown.map(({ name, callable }) => (
            <li key={name}>
              <button type="button" class="choice" aria-pressed={name === tool?.name} onClick={() => choose(name)}>
                {visible(name)}
                {callable || !tools.list.some((one) => one.callable) ? null : (
                  <span class="quiet"> not yours to call</span>
                )}
              </button>
            </li>
          ))}
        </ul>
      </div>
      {tool === undefined ? null : <ToolView key={tool.name} server={server} tool={tool} />}
    </div>
  );
}

/** What a server says that a tool does, where the protocol has a word for it. */
function hintsOf({ annotations }: PageTool): readonly string[] {
  const said = annotations ?? {};
  return [
    ...(said.readOnlyHint === true ? ['read-only'] : []),
    ...(said.destructiveHint === true && said.readOnlyHint !== true ? ['destructive'] : []),
    ...(said.idempotentHint === true ? ['idempotent'] : []),
    ...(said.openWorldHint === true ? ['open to the outside'] : []),
  ];
}

type Called =
  | { readonly is: 'not' }
  | { readonly is: 'calling' }
  | { readonly is: 'answered'; readonly answer: PageCallResult }
  | { readonly is: 'refused'; readonly refusal: Refusal };

function ToolView({ server, tool }: { readonly server: string; readonly tool: PageTool }) {
  const { gateway, said } = usePage();
  const [called, setCalled] = useState<Called>({ is: 'not' });
  const call = async (args: Readonly<Record<string, unknown>>): Promise<void> => {
    setCalled({ is: 'calling' });
    const body = { server, tool: tool.name, arguments: args };
    const answer = await gateway.ask<PageCallResult>('POST', '/page/call', body);
    setCalled(answer.done ? { is: 'answered', answer: answer.value } : { is: 'refused', refusal: answer.refusal });
    said.value = answer.done
      ? `${tool.name} answered in ${duration(answer.value.milliseconds)}`
      : answer.refusal.message;
  };
  const hints = hintsOf(tool);
  return (
    <section class="tool" aria-labelledby="tool">
      <h3 id="tool">
        <code>{visible(tool.name)}</code>
        {tool.title === null || tool.title === tool.name ? null : <span class="quiet"> {visible(tool.title)}</span>}
      </h3>
      {tool.description === null ? null : <p class="said-by-server">{visibleLines(tool.description)}</p>}
      {hints.length === 0 ? null : <p class="quiet">The server calls it {hints.join(', ')}.</p>}
      <ToolForm
        key={tool.name}
        schema={isRecord(tool.inputSchema) ? tool.inputSchema : {}}
        mayCall={tool.callable}
        isCalling={called.is === 'calling'}
        call={(args) => void call(args)}
      />
      {called.is === 'refused' ? <RefusalNote refusal={called.refusal} /> : null}
      {called.is === 'answered' ? <ToolResult answer={called.answer} /> : null}
    </section>
  );
}
