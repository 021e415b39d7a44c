import type { ServerHealth } from '../../../app/inspect/check-health.ts';
import type { HealthStep } from '../../../app/inspect/health-steps.ts';
import { duration } from '../../../model/times.ts';
import { plural } from '../../../model/values/words.ts';
import type { Palette } from '../../terminal/palette.ts';
import { renderFailure } from '../error.ts';
import { type Cell, renderTable, type TableStyle } from '../table.ts';
import { visible } from '../text.ts';
import { paintOfVerdict } from './mcp-servers.ts';

function stepCell({ result, milliseconds: took }: HealthStep, mayFail: boolean, palette: Palette): Cell {
  if (took === null) return { text: '-', paint: palette.quiet };
  return result === 'failed' && mayFail ? { text: `✗ ${duration(took)}`, paint: palette.error } : duration(took);
}

/** The looks at the engine and the container take a moment, and what they find is the verdict: `--json` has them. */
const isOfSession = ({ name }: HealthStep): boolean => name !== 'engine' && name !== 'container';

const answerOf = ({ server, tools, protocolVersion }: ServerHealth): string =>
  server === null || tools === null
    ? ''
    : `${plural(tools, 'tool')} · ${visible(`${server.name} ${server.version}`.trim())} · MCP ${visible(protocolVersion ?? '')}`;

const counted = (servers: readonly ServerHealth[]): string =>
  (['healthy', 'unhealthy', 'asleep', 'stopped', 'unknown'] as const)
    .map((verdict) => [verdict, servers.filter((server) => server.verdict === verdict).length] as const)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');

/** `named`: whether the servers were asked for by name: one that is stopped is then as bad as one that does not answer. */
type HealthOptions = TableStyle & { readonly named: boolean };

/** How servers are: a line each with what every step took, then what is wrong with those that are not healthy. */
export function renderHealth(servers: readonly ServerHealth[], { palette, width, named }: HealthOptions): string {
  const isFine = ({ verdict }: ServerHealth): boolean =>
    verdict === 'healthy' || verdict === 'asleep' || (verdict === 'stopped' && !named);
  const rows = servers.map((server): Cell[] => [
    { text: server.name, paint: palette.strong },
    { text: server.verdict, paint: paintOfVerdict(server.verdict, palette) },
    ...server.steps.filter(isOfSession).map((step) => stepCell(step, !isFine(server), palette)),
    duration(server.milliseconds),
    { text: answerOf(server), paint: palette.quiet },
  ]);
  const headers = ['NAME', 'HEALTH', 'SESSION', 'HANDSHAKE', 'TOOLS/LIST', 'TOTAL', 'ANSWER'];
  const failures = servers.flatMap((server) =>
    server.failure === null || isFine(server) ? [] : ['', renderFailure(server.failure, palette)],
  );
  return [
    renderTable(headers, rows, palette, width).replaceAll(/ +$/gm, ''),
    ...failures,
    ...(servers.length > 1 ? ['', counted(servers)] : []),
  ].join('\n');
}
