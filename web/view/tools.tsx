import { useEffect, useRef, useState } from 'preact/hooks';
import { visible, visibleLines } from '../../src/cli/render/text.ts';
import type { PageCall, PageCallResult } from '../../src/model/page/deeds.ts';
import type { PageServerDetail, PageTool } from '../../src/model/page/server.ts';
import { duration } from '../../src/model/times.ts';
import { isRecord } from '../../src/model/values/is-record.ts';
import { Nothing, RefusalNote, UnknownNote } from '../part/notes.tsx';
import { type Questions, questionsIn } from '../state/questions.ts';
import { usePage } from '../state/store.ts';
import type { Answer, Gateway, Refusal } from '../talk/request.ts';
import { SchemaForm } from './form.tsx';
import { QuestionsView } from './questions.tsx';
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
  | { readonly is: 'asked'; readonly args: PageCall['arguments']; readonly questions: Questions }
  | { readonly is: 'answered'; readonly answer: PageCallResult }
  | { readonly is: 'refused'; readonly refusal: Refusal };

/** How often a server is told that nobody answers, where it asks again and again. */
const mostRefusals = 10;

/** Cancels each question of a call that nobody waits for any more: it would be kept for answers for minutes. */
async function giveUp({ ask }: Gateway, call: PageCall, questions: Questions, outlives: boolean): Promise<void> {
  let open: Questions | undefined = questions;
  for (let round = 0; round < mostRefusals && open !== undefined && open.list.length > 0; round += 1) {
    const { list, requestState } = open;
    const inputResponses = Object.fromEntries(list.map(({ key }) => [key, { action: 'cancel' }]));
    const answers = { inputResponses, ...(requestState === undefined ? {} : { requestState }) };
    const body: PageCall = { ...call, answers };
    const answer: Answer<PageCallResult> = await ask('POST', '/page/call', body, { outlives });
    open = answer.done ? questionsIn(answer.value.result) : undefined;
  }
}

function ToolView({ server, tool }: { readonly server: string; readonly tool: PageTool }) {
  const { gateway, said } = usePage();
  const [called, setCalled] = useState<Called>({ is: 'not' });
  const isLeft = useRef(false);
  /** Gives up the questions that nobody has answered yet; whether the page goes, too. */
  const giveUpOpen = useRef<((pageGoes: boolean) => void) | undefined>(undefined);
  useEffect(() => {
    // A tab that is closed takes down none of what it shows. One that comes back shows no question that was given up.
    const hide = (): void => {
      if (giveUpOpen.current === undefined) return;
      giveUpOpen.current(true);
      giveUpOpen.current = undefined;
      setCalled({ is: 'not' });
    };
    addEventListener('pagehide', hide);
    return () => {
      removeEventListener('pagehide', hide);
      isLeft.current = true;
      giveUpOpen.current?.(false);
    };
  }, []);
  const call = async (args: PageCall['arguments'], answers?: PageCall['answers']): Promise<void> => {
    setCalled({ is: 'calling' });
    giveUpOpen.current = undefined;
    const made: PageCall = { server, tool: tool.name, arguments: args };
    const body: PageCall = { ...made, ...(answers === undefined ? {} : { answers }) };
    const answer = await gateway.ask<PageCallResult>('POST', '/page/call', body);
    if (!answer.done) {
      setCalled({ is: 'refused', refusal: answer.refusal });
      said.value = answer.refusal.message;
      return;
    }
    const questions = questionsIn(answer.value.result);
    if (questions !== undefined) {
      const leave = (pageGoes: boolean): void => void giveUp(gateway, made, questions, pageGoes);
      if (isLeft.current) return leave(false);
      giveUpOpen.current = leave;
      setCalled({ is: 'asked', args, questions });
      said.value = `${server} asks for something`;
      return;
    }
    setCalled({ is: 'answered', answer: answer.value });
    said.value = `${tool.name} answered in ${duration(answer.value.milliseconds)}`;
  };
  const hints = hintsOf(tool);
  const waits = called.is === 'asked' && called.questions.list.length > 0;
  const closed = waits ? 'it waits for an answer' : undefined;
  return (
    <section class="tool" aria-labelledby="tool">
      <h3 id="tool">
        <code>{visible(tool.name)}</code>
        {tool.title === null || tool.title === tool.name ? null : <span class="quiet"> {visible(tool.title)}</span>}
      </h3>
      {tool.description === null ? null : <p class="said-by-server">{visibleLines(tool.description)}</p>}
      {hints.length === 0 ? null : <p class="quiet">The server calls it {hints.join(', ')}.</p>}
      <SchemaForm
        key={tool.name}
        schema={isRecord(tool.inputSchema) ? tool.inputSchema : {}}
        of="argument"
        words={{ send: 'call', sending: 'calling …' }}
        isSending={called.is === 'calling'}
        closed={tool.callable ? closed : 'your token does not let you call it'}
        refused={called.is === 'refused' ? called.refusal.fields : undefined}
        send={(args) => void call(args)}
      />
      {called.is === 'asked' ? (
        <QuestionsView
          server={server}
          questions={called.questions}
          answer={(answers) => void call(called.args, answers)}
        />
      ) : null}
      {called.is === 'refused' ? <RefusalNote refusal={called.refusal} /> : null}
      {called.is === 'answered' ? <ToolResult answer={called.answer} /> : null}
    </section>
  );
}
