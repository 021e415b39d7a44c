import type { PostureVerdict, ServerPosture } from '../../../app/inspect/posture/posture.ts';
import { shortId } from '../../../model/ids.ts';
import { shownTime } from '../../../model/times.ts';
import type { PaintName, Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable } from '../table.ts';
import { visible } from '../text.ts';

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
      : palette.error(`${broken} of ${promises.length} promises broken`);
  const title = `${palette.strong(visible(server))}  generation ${generation} of ${visible(image)}, ${shortId(container)}, ${shownTime(checkedAt)}: ${verdict}`;
  const rows = promises.map(({ promise, spec, engine, inside, verdict: one }): Cell[] => {
    const [text, paint] = words[one];
    return [promise, { text, paint: palette[paint] }, spec, engine, inside ?? '-'];
  });
  const table = renderTable(['PROMISE', 'VERDICT', 'SPEC', 'ENGINE SAYS', 'READ INSIDE'], rows, palette, width);
  const why = notRead === undefined ? [] : [palette.warning(`Nothing was read from inside: ${visible(notRead)}.`)];
  return [title, table, ...why].join('\n');
}

/** A table a server: what was promised, what the engine says, and what was read from inside, side by side. */
export const renderPosture = (servers: readonly ServerPosture[], palette: Palette, width?: number): string =>
  servers.map((one) => renderServerPosture(one, palette, width)).join('\n\n');
