import { byteSize, visible } from '../../src/cli/render/text.ts';
import type { PageAudit } from '../../src/model/page.ts';
import { duration, shownTime } from '../../src/model/times.ts';
import { useAsked } from '../part/asked.ts';
import { Nothing, RefusalNote, Wide } from '../part/notes.tsx';
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

function Calls({ calls, withServer }: Pick<PageAudit, 'calls'> & { readonly withServer: boolean }) {
  if (calls.length === 0) return <Nothing>no call is recorded</Nothing>;
  return (
    <Wide label="calls">
      <table>
        <thead>
          <tr>
            <th scope="col">time</th>
            {withServer ? <th scope="col">server</th> : null}
            <th scope="col" class="number">
              gen
            </th>
            <th scope="col">tool</th>
            <th scope="col" class="number">
              took
            </th>
            <th scope="col" class="number">
              args
            </th>
            <th scope="col">who</th>
            <th scope="col">result</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call, at) => (
            <tr key={`${call.time} ${at}`}>
              <td class="quiet">{shownTime(call.time)}</td>
              {withServer ? <td>{visible(call.server)}</td> : null}
              <td class="number">{call.generation}</td>
              <td>{visible(call.tool)}</td>
              <td class="number">{call.durationMs === null ? '–' : duration(call.durationMs)}</td>
              <td class="number">{call.argumentsBytes === null ? '–' : byteSize(call.argumentsBytes)}</td>
              <td>{visible(call.principal)}</td>
              <td class={toneOf(call.result)}>
                {call.result}
                {call.code === null ? '' : ` (${visible(call.code)})`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

function Changes({ changes }: Pick<PageAudit, 'changes'>) {
  if (changes.length === 0) return <Nothing>no change is recorded</Nothing>;
  return (
    <Wide label="changes">
      <table>
        <thead>
          <tr>
            <th scope="col">time</th>
            <th scope="col">command</th>
            <th scope="col">what</th>
            <th scope="col" class="number">
              took
            </th>
            <th scope="col">who</th>
            <th scope="col">result</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((change, at) => (
            <tr key={`${change.time} ${at}`}>
              <td class="quiet">{shownTime(change.time)}</td>
              <td>{visible(change.command)}</td>
              <td>{change.servers.map(({ server, action }) => `${action} ${visible(server)}`).join(', ') || '–'}</td>
              <td class="number">{change.durationMs === null ? '–' : duration(change.durationMs)}</td>
              <td>{visible(change.principal)}</td>
              <td class={toneOf(change.result)}>
                {change.result}
                {change.code === null ? '' : ` (${visible(change.code)})`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}
