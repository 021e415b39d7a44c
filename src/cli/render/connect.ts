import type { Connected } from '../../app/connect/connect-client.ts';
import type { FoundClient } from '../../app/connect/list-clients.ts';
import type { EntryProof } from '../../app/connect/ports.ts';
import { present } from '../../model/values/present.ts';
import { plural } from '../../model/values/words.ts';
import type { Palette } from '../terminal/palette.ts';
import { type Cell, renderTable } from './table.ts';
import { visible } from './text.ts';

const done: Readonly<Record<Connected['action'], string>> = {
  created: 'is written to',
  updated: 'is written anew to',
  unchanged: 'stands unchanged in',
  removed: 'is taken out of',
  absent: 'is not in',
};

/** What became of an entry, and what a call made from it found. */
export function renderConnected({ file, entry, action, proof, note }: Connected, palette: Palette): string {
  const mark = action === 'absent' ? '·' : palette.good('✓');
  return present([
    `${mark} ${palette.strong(visible(entry))} ${done[action]} ${visible(file)}`,
    proof !== undefined &&
      `${palette.good('✓')} a call made from it found ${serversText(proof)} with ${plural(proof.tools, 'tool')}`,
    proof?.missing !== undefined &&
      proof.servers > 0 &&
      `${palette.note('note')}: no tool came from ${visible(proof.missing.join(', '))}: not running, without tools, or not answering within the 5 s that a list waits`,
    note !== undefined && `${palette.note('note')}: ${visible(note)}`,
  ]).join('\n');
}

const serversText = ({ servers, missing = [] }: EntryProof): string =>
  missing.length === 0 ? plural(servers, 'server') : `${servers} of ${plural(servers + missing.length, 'server')}`;

export function renderClients(found: readonly FoundClient[], palette: Palette, width?: number): string {
  const rows = found.map(({ client, title, file, found: isThere, entries, problem }): Cell[] => [
    client,
    title,
    isThere ? 'found' : { text: 'not found', paint: palette.quiet },
    problem === undefined ? entries.join(', ') || '-' : { text: `not read: ${problem}`, paint: palette.warning },
    file,
  ]);
  return renderTable(['CLIENT', 'PROGRAM', 'HERE', 'ENTRIES', 'FILE'], rows, palette, width);
}
