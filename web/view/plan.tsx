import { useState } from 'preact/hooks';
import { visible } from '../../src/cli/render/text.ts';
import type { PageDone } from '../../src/model/page/deeds.ts';
import type { PageState } from '../../src/model/page/state.ts';
import { DoneNote, Lines, Nothing, RefusalNote, UnknownNote } from '../part/notes.tsx';
import { usePage } from '../state/store.ts';
import { isUnknown, shortTotals } from '../state/words.ts';
import type { Refusal } from '../talk/request.ts';

type Carrying =
  | { readonly is: 'not' }
  | { readonly is: 'doing' }
  | { readonly is: 'ended'; readonly done: PageDone }
  | { readonly is: 'refused'; readonly refusal: Refusal };

/** The plan that waits, in the words of `diff`, why it waits, and the way to have it carried out. */
export function PlanView({ state: { plan, may } }: { readonly state: PageState }) {
  const { gateway, question, said } = usePage();
  const [carrying, setCarrying] = useState<Carrying>({ is: 'not' });
  const after =
    carrying.is === 'ended' ? (
      <DoneNote done={carrying.done} />
    ) : carrying.is === 'refused' ? (
      <RefusalNote refusal={carrying.refusal} />
    ) : null;
  if (isUnknown(plan)) return <UnknownNote what="plan" of={plan} />;
  if (plan.inSync) {
    return (
      <>
        {after}
        <Nothing>In sync: everything runs as declared.</Nothing>
      </>
    );
  }
  const { digest, text, waits, running } = plan;
  const totals = shortTotals(plan.totals);
  const carryOut = async (): Promise<void> => {
    setCarrying({ is: 'doing' });
    const answer = await gateway.ask<PageDone>('POST', '/page/plan', { digest });
    setCarrying(answer.done ? { is: 'ended', done: answer.value } : { is: 'refused', refusal: answer.refusal });
    said.value = answer.done ? `the plan was carried out: ${answer.value.outcome}` : answer.refusal.message;
  };
  const ask = (): void => {
    question.value = {
      title: 'carry out this plan?',
      text: `${totals}. Only this plan is carried out: where another one waits by then, nothing is done.`,
      word: 'carry out',
      agree: () => void carryOut(),
    };
  };
  return (
    <>
      {after}
      <p>
        <strong>{totals}</strong> <span class="quiet">plan {visible(digest.slice(0, 12))}</span>
      </p>
      {waits.length === 0 ? null : (
        <ul class="plainlist">
          {waits.map(({ server, why }) => (
            <li key={`${server} ${why}`}>
              {server === null ? '' : `${visible(server)}: `}
              {visible(why)}
            </li>
          ))}
        </ul>
      )}
      <Lines text={text} label="the plan, as diff shows it" />
      {!may.approve ? null : (
        <div class="row">
          <button type="button" class="main" disabled={running || carrying.is === 'doing'} onClick={ask}>
            {running || carrying.is === 'doing' ? 'is being carried out …' : 'carry out this plan'}
          </button>
        </div>
      )}
    </>
  );
}
