import type { HealthVerdict } from '../../../app/inspect/check-health.ts';
import type { McpServer } from '../../../app/inspect/list-mcp-servers.ts';
import { age } from '../../../model/times.ts';
import type { Paint, Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable } from '../table.ts';
import { paintOfStatus, withEngineHealth } from './servers.ts';

const paintNames = {
  healthy: 'good',
  unhealthy: 'error',
  asleep: 'quiet',
  stopped: 'quiet',
  unknown: 'warning',
} as const;

/** The colour of a verdict. */
export const paintOfVerdict = (verdict: HealthVerdict, palette: Palette): Paint => palette[paintNames[verdict]];

function healthCell({ health, state }: McpServer, nowMs: number, palette: Palette): Cell {
  // What was found before it stopped is no news about it now.
  if (health === null || state !== 'running') return { text: '-', paint: palette.quiet };
  const { verdict, checkedAt, about } = health;
  if (about === 'restarted-since') return { text: 'restarted since', paint: palette.warning };
  return {
    text: `${verdict} ${age(nowMs - Date.parse(checkedAt))} ago`,
    paint: paintOfVerdict(verdict, palette),
  };
}

/** MCP servers as a table that fits into `width` columns, where that is given; `nowMs` is this machine's time. */
export function renderMcpServers(
  servers: readonly McpServer[],
  withProject: boolean,
  nowMs: number,
  palette: Palette,
  width?: number,
): string {
  const withEngine = servers.some(({ engine }) => engine !== undefined);
  const rows = servers.map((server): Cell[] => [
    ...(withProject ? [server.project] : []),
    { text: server.name, paint: palette.strong },
    ...(withEngine ? [server.engine ?? '-'] : []),
    { text: withEngineHealth(server), paint: paintOfStatus(server, palette) },
    healthCell(server, nowMs, palette),
    server.restarts === 0 ? '0' : { text: String(server.restarts), paint: palette.warning },
    server.transport,
    server.tools === null ? { text: '-', paint: palette.quiet } : String(server.tools),
    server.executions === null ? { text: '-', paint: palette.quiet } : String(server.executions),
    String(server.generation),
    age(server.ageMs),
  ]);
  const headers = [
    ...(withProject ? ['PROJECT'] : []),
    'NAME',
    ...(withEngine ? ['ENGINE'] : []),
    ...['STATE', 'HEALTH', 'RESTARTS', 'TRANSPORT', 'TOOLS', 'CALLS', 'GEN', 'AGE'],
  ];
  return renderTable(headers, rows, palette, width);
}
