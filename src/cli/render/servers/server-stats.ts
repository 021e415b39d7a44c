import type { Limited, ServerStats } from '../../../app/inspect/server-stats.ts';
import type { Paint, Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable } from '../table.ts';
import { byteSize } from '../text.ts';

/** `0.42/1`, or what there is where nothing limits it. */
const against = (value: string, limit: string | null): string => (limit === null ? value : `${value}/${limit}`);

const percent = (share: number | null): string => (share === null ? '' : ` ${Math.round(share * 100)}%`);

/** A round size without its nought: limits are round. */
const bytes = (value: number): string => byteSize(value).replace('.0', '');

const cores = (value: number): string => (value < 0.005 ? '0' : value.toFixed(2));

/** What servers take as a table that fits into `width` columns, where that is given. `!` marks what is near its limit. */
export function renderStats(all: readonly ServerStats[], palette: Palette, width?: number): string {
  const quiet: Cell = { text: '-', paint: palette.quiet };
  const notable = (value: number | null, paint: Paint): Cell =>
    value === null ? quiet : value === 0 ? '0' : { text: String(value), paint };
  const rows = all.map((stats): Cell[] => {
    const { use, near, callsPerMinute } = stats;
    const name = { text: stats.name, paint: palette.strong };
    const last = [String(stats.sessions), callsPerMinute === null ? quiet : String(callsPerMinute)];
    if (use === null) {
      const state = { text: stats.status, paint: palette.quiet };
      return [name, String(stats.generation), state, quiet, quiet, quiet, quiet, ...last, quiet, quiet];
    }
    const limited = (what: Limited, text: string): Cell => {
      // In front: a narrow terminal cuts the end.
      return near.includes(what) ? { text: `! ${text}`, paint: palette.warning } : text;
    };
    const { cpu, memory, processes, network, blockIo } = use;
    return [
      name,
      String(stats.generation),
      cpu.cores === null
        ? quiet
        : limited('cpu', against(cores(cpu.cores), cpu.limitCores?.toString() ?? null) + percent(cpu.share)),
      limited(
        'memory',
        against(bytes(memory.bytes), memory.limitBytes === null ? null : bytes(memory.limitBytes)) +
          percent(memory.share),
      ),
      processes.count === null
        ? quiet
        : limited('processes', against(String(processes.count), processes.limit?.toString() ?? null)),
      network === null ? quiet : `${bytes(network.receivedBytes)}/${bytes(network.sentBytes)}`,
      blockIo === null ? quiet : `${bytes(blockIo.readBytes)}/${bytes(blockIo.writtenBytes)}`,
      ...last,
      notable(cpu.throttledPeriods, (cpu.throttledShare ?? 0) > 0 ? palette.warning : palette.quiet),
      notable(stats.oomKills, palette.error),
    ];
  });
  const headers = [
    'NAME',
    'GEN',
    'CPU',
    'MEMORY',
    'PROCS',
    'NET IN/OUT',
    'DISK R/W',
    'SESSIONS',
    'CALLS/MIN',
    'THROTTLED',
    'OOM',
  ];
  return renderTable(headers, rows, palette, width);
}
