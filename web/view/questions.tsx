import { useState } from 'preact/hooks';
import { visible, visibleLines } from '../../src/cli/render/text.ts';
import type { PageCall } from '../../src/model/page/deeds.ts';
import { Nothing } from '../part/notes.tsx';
import type { Questions } from '../state/questions.ts';
import { SchemaForm } from './form.tsx';

type QuestionsProps = {
  readonly server: string;
  readonly questions: Questions;
  readonly answer: (answers: NonNullable<PageCall['answers']>) => void;
};

/** What a server wants to know before it goes on with a call, one question after the other. */
export function QuestionsView({ server, questions: { list, requestState }, answer }: QuestionsProps) {
  const [given, setGiven] = useState<Readonly<Record<string, unknown>>>({});
  const open = list.find(({ key }) => !Object.hasOwn(given, key));
  const take = (key: string, response: unknown): void => {
    const all = { ...given, [key]: response };
    setGiven(all);
    if (list.every((one) => Object.hasOwn(all, one.key)))
      answer({ inputResponses: all, ...(requestState === undefined ? {} : { requestState }) });
  };
  if (list.length === 0) return <Nothing>it asks for something that the page cannot give</Nothing>;
  if (open === undefined) return null;
  return (
    <section class="answer" aria-labelledby="question">
      <h4 id="question">
        <code>{visible(server)}</code> asks
      </h4>
      <p class="said-by-server">{visibleLines(open.message)}</p>
      <SchemaForm
        key={open.key}
        schema={open.schema}
        of="answer"
        words={{ send: 'answer', sending: 'answering …' }}
        isSending={false}
        send={(content) => take(open.key, { action: 'accept', content })}
      >
        <button type="button" onClick={() => take(open.key, { action: 'decline' })}>
          decline
        </button>
        <button type="button" class="plain" onClick={() => take(open.key, { action: 'cancel' })}>
          cancel
        </button>
      </SchemaForm>
    </section>
  );
}
