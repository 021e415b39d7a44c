import type { UsedQuota } from '../../../app/inspect/project-use.ts';
import type { Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable } from '../table.ts';

/** `3 of 5`, in the colour of an error where it is more, of a warning where nothing is left. */
function share(used: number | null, limit: number | undefined, palette: Palette): Cell {
  const text = used === null ? '-' : String(used);
  if (limit === undefined) return text;
  const words = `${text} of ${limit}`;
  if (used === null || used < limit) return words;
  return { text: words, paint: used > limit ? palette.error : palette.warning };
}

/** What projects take, beside their quotas. */
export function renderProjectUse(projects: readonly UsedQuota[], palette: Palette): string {
  const rows = projects.map(({ project, use, quota }): Cell[] => [
    { text: project, paint: palette.strong },
    share(use.servers, quota.maxServers, palette),
    share(use.memoryMiB, quota.maxTotalMemoryMiB, palette),
    share(use.cpuCores, quota.maxTotalCpuCores, palette),
    share(use.callsToday, quota.callsPerDay, palette),
  ]);
  return renderTable(['PROJECT', 'SERVERS', 'MEMORY MIB', 'CPU CORES', 'CALLS TODAY'], rows, palette);
}
