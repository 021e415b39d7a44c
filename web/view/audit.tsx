import { byteSize, visible } from '../../src/cli/render/text.ts';
import type { PageAudit } from '../../src/model/page/past.ts';
import { duration, shownTime } from '../../src/model/times.ts';
import { useAsked } from '../part/asked.ts';
import { Nothing, RefusalNote } from '../part/notes.tsx';
import { type Column, Records } from '../part/records.tsx';
import { usePage } from '../state/store.ts';

/** The audit trail of a server, or of the project: who called what, and who changed what. */
export function AuditView({ server }: { readonly server?: string }) {
  const { events } = usePage();
  const query = server === undefined ? '' : `server=${encodeURIComponent(server)}&`;
  // A change that was carried out is in the trail.
  const key = String(events.value.items.findLast(({ source }) => source === 'looms')?.id);
  const { value, refusal, again } = useAsked<PageAudit>(`/page/audit?${query}limit=100`, key);
  if (refusal !== undefined) return <RefusalNote refusal={refusal} />;
  if (value === undefined) return <Nothing>asking …</Nothing>;
  return (
    <>
      <div class="row">
        <button type="button" onClick={again}>
          look again
        </button>
      </div>
      <section>
        <h3>calls</h3>
        <Calls calls={value.calls} withServer={server === undefined} />
      </section>
      <section>
        <h3>changes</h3>
        <Changes changes={value.changes} />
      </section>
    </>
  );
}

const calm: ReadonlySet<string> = new Set(['ok', 'done', 'running']);
const toneOf = (result: string): string => (calm.has(result) ? '' : result === 'refused' ? 'warn' : 'bad');

type Call = PageAudit['calls'][number];
type Change = PageAudit['changes'][number];

const took = ({ durationMs }: Call | Change): string => (durationMs === null ? '–' : duration(durationMs));
const resultColumn: Column<Call | Change> = {
  head: 'result',
  cell: ({ result, code }) => `${result}${code === null ? '' : ` (${visible(code)})`}`,
  tone: ({ result }) => toneOf(result),
};
const timeColumn: Column<Call | Change> = {
  head: 'time',
  cell: ({ time }) => shownTime(time),
  tone: () => 'quiet',
};
const whoColumn: Column<Call | Change> = { head: 'who', cell: ({ principal }) => visible(principal) };

const serverColumn: Column<Call> = { head: 'server', cell: ({ server }) => visible(server) };
const callColumns: readonly Column<Call>[] = [
  { head: 'gen', cell: ({ generation }) => generation, isNumber: true },
  { head: 'tool', cell: ({ tool }) => visible(tool) },
  { head: 'took', cell: took, isNumber: true },
  {
    head: 'args',
    cell: ({ argumentsBytes }) => (argumentsBytes === null ? '–' : byteSize(argumentsBytes)),
    isNumber: true,
  },
  whoColumn,
  resultColumn,
];

const changeColumns: readonly Column<Change>[] = [
  timeColumn,
  { head: 'command', cell: ({ command }) => visible(command) },
  {
    head: 'what',
    cell: ({ servers }) => servers.map(({ server, action }) => `${action} ${visible(server)}`).join(', ') || '–',
  },
  { head: 'took', cell: took, isNumber: true },
  whoColumn,
  resultColumn,
];

const keyOf = ({ time }: Call | Change, at: number): string => `${time} ${at}`;

function Calls({ calls, withServer }: Pick<PageAudit, 'calls'> & { readonly withServer: boolean }) {
  if (calls.length === 0) return <Nothing>no call is recorded</Nothing>;
  const columns = [timeColumn, ...(withServer ? [serverColumn] : []), ...callColumns];
  return <Records label="calls" entries={calls} keyOf={keyOf} columns={columns} />;
}

function Changes({ changes }: Pick<PageAudit, 'changes'>) {
  if (changes.length === 0) return <Nothing>no change is recorded</Nothing>;
  return <Records label="changes" entries={changes} keyOf={keyOf} columns={changeColumns} />;
}
