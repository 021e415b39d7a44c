import type { PostureVerdict, ServerPosture } from '../../../app/inspect/posture/posture.ts';
import { shortId } from '../../../model/ids.ts';
import { shownTime } from '../../../model/times.ts';
import { plural } from '../../../model/values/words.ts';
import { exitCode } from '../../exit-codes.ts';
import type { PaintName, Palette } from '../../terminal/palette.ts';
import { type Cell, continued, renderTable } from '../table.ts';
import { listed, visible } from '../text.ts';

const words: Readonly<Record<PostureVerdict, readonly [text: string, paint: PaintName]>> = {
  kept: ['kept', 'good'],
  broken: ['BROKEN', 'error'],
  unknown: ['not read', 'warning'],
  'not-there': ['not there', 'quiet'],
};

function renderServerPosture(posture: ServerPosture, palette: Palette, width: number | undefined): string {
  const { server, generation, image, container, checkedAt, notRead, promises } = posture;
  const broken = promises.filter(({ verdict }) => verdict === 'broken').length;
  const verdict =
    broken === 0
      ? palette.good('no promise is broken')
      : palette.error(`${broken} of ${plural(promises.length, 'promise')} broken`);
  const title = `${palette.strong(visible(server))}  generation ${generation} of ${visible(image)}, ${shortId(container)}, ${shownTime(checkedAt)}: ${verdict}`;
  const rows = promises.map(({ promise, spec, engine, inside, verdict: one }): Cell[] => {
    const [text, paint] = words[one];
    return [promise, { text, paint: palette[paint] }, spec, engine, inside ?? '-'];
  });
  const headers = ['PROMISE', 'VERDICT', 'SPEC', 'ENGINE SAYS', 'READ INSIDE'];
  // It is there to be filed, so nothing of it is cut.
  const table = renderTable(headers, width === undefined ? rows : continued(headers, rows, width), palette);
  const why = notRead === undefined ? [] : [palette.warning(`Nothing was read from inside: ${visible(notRead)}.`)];
  return [title, table, ...why].join('\n');
}

/** What came of all of them: how many promises are kept, which are not, and what follows. */
function renderSum(servers: readonly ServerPosture[], palette: Palette): string {
  const all = servers.flatMap(({ promises }) => promises);
  const count = (verdict: PostureVerdict): number => all.filter((one) => one.verdict === verdict).length;
  const verdicts = (['kept', 'unknown', 'not-there'] as const).filter((verdict) => count(verdict) > 0);
  const numbers = verdicts.map((verdict) => `${count(verdict)} ${words[verdict][0]}`);
  const of = `${plural(all.length, 'promise')} of ${plural(servers.length, 'server')}`;
  const broken = servers.flatMap(({ server, promises }) => {
    const names = promises.filter(({ verdict }) => verdict === 'broken').map(({ promise }) => promise);
    return names.length === 0 ? [] : [`${listed(names)} of ${visible(server)}`];
  });
  if (broken.length === 0) return `${of}: ${[...numbers, 'none broken'].join(', ')}`;
  return `${of}: ${[...numbers, palette.error(`${count('broken')} BROKEN`)].join(', ')}: ${broken.join('; ')} (exit ${exitCode.gateFailed}; \`looms diff\` shows what an apply mends)`;
}

/**
 * A table a server: what was promised, what the engine says, and what was read from inside, side by side; and at the end what
 * came of it. Within `width` columns, where given.
 */
export const renderPosture = (servers: readonly ServerPosture[], palette: Palette, width?: number): string =>
  [...servers.map((one) => renderServerPosture(one, palette, width)), renderSum(servers, palette)].join('\n\n');
