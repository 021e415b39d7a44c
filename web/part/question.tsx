import { useEffect, useRef, useState } from 'preact/hooks';
import { visible } from '../../src/cli/render/text.ts';
import { type Question, usePage } from '../state/store.ts';

/** What is asked before something is done, where it is asked. */
export function QuestionDialog() {
  const { question } = usePage();
  return question.value === undefined ? null : <Asked of={question.value} />;
}

function Asked({ of: { title, text, repeat, word, agree } }: { readonly of: Question }) {
  const { question } = usePage();
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const mayAgree = repeat === undefined || typed === repeat;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!mayAgree) return;
    dialog.current?.close();
    agree();
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby="question"
      onClose={() => {
        question.value = undefined;
      }}
    >
      <form onSubmit={submit}>
        <h2 id="question">{visible(title)}</h2>
        <p>{visible(text)}</p>
        {repeat === undefined ? null : (
          <div class="field">
            <label for="repeat">
              to go on, type <code>{visible(repeat)}</code>
            </label>
            <input
              id="repeat"
              value={typed}
              autocomplete="off"
              spellcheck={false}
              onInput={({ currentTarget }) => setTyped(currentTarget.value)}
            />
          </div>
        )}
        <div class="row end">
          <button type="button" onClick={() => dialog.current?.close()}>
            cancel
          </button>
          <button type="submit" class="main" disabled={!mayAgree}>
            {word}
          </button>
        </div>
      </form>
    </dialog>
  );
}
