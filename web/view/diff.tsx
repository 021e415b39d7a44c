import { visible } from '../../src/cli/render/text.ts';
import type { PageServerDetail } from '../../src/model/page/server.ts';
import { asHappened, Differences } from '../part/differences.tsx';
import { Nothing, UnknownNote } from '../part/notes.tsx';

/** What `diff` says of a server: what somebody changed outside looms, and what would be done. */
export function DiffView({ diff }: Pick<PageServerDetail, 'diff'>) {
  if (diff.kind === 'unknown') return <UnknownNote what="diff" of={diff} />;
  if (diff.action === 'unchanged' && diff.drift.length === 0) {
    return <Nothing>In sync: it runs as declared.</Nothing>;
  }
  return (
    <>
      {diff.drift.length === 0 ? null : (
        <section>
          <h3>changed outside looms</h3>
          <Differences fields={diff.drift.map(asHappened)} label="changed outside looms" />
        </section>
      )}
      <section>
        <h3>what apply would do</h3>
        <p>{visible(diff.text)}</p>
        {diff.fields.length === 0 ? null : <Differences fields={diff.fields} label="what the spec changed" />}
      </section>
    </>
  );
}
