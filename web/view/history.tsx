import { shortImage, shortSource } from '../../src/cli/render/servers/servers.ts';
import { visible } from '../../src/cli/render/text.ts';
import type { PageServerDetail } from '../../src/model/page/server.ts';
import { shownTime } from '../../src/model/times.ts';
import { Differences } from '../part/differences.tsx';
import { Lines, Nothing } from '../part/notes.tsx';

/** The generations of a server, newest first, each with what it changed. */
export function HistoryView({ history }: Pick<PageServerDetail, 'history'>) {
  if (history.length === 0) return <Nothing>no generation is recorded</Nothing>;
  return (
    <ol class="generations" reversed>
      {history.map(({ generation, state, live, image, since, until, source, failure, changes }) => (
        <li key={generation}>
          <p class="line">
            <strong class="number">{generation}</strong>
            <span class={live ? 'good' : state === 'gate-failed' ? 'bad' : 'quiet'}>
              {visible(state.replace('-', ' '))}
            </span>
            <span class="quiet">
              {since === null ? '' : shownTime(since)} – {until === null ? (live ? 'now' : '') : shownTime(until)}
            </span>
            <code class="quiet">{shortImage(image)}</code>
            <code class="quiet">{source === null ? '' : shortSource(source)}</code>
          </p>
          {failure === null ? null : <Lines text={failure} label={`why generation ${generation} failed`} />}
          {changes === null || changes.length === 0 ? null : (
            <Differences fields={changes} label={`what generation ${generation} changed`} />
          )}
        </li>
      ))}
    </ol>
  );
}
