import type { ServerInfo } from '../../../app/inspect/server-info.ts';
import { age, duration, shownTime } from '../../../model/times.ts';
import { present } from '../../../model/values/present.ts';
import { plural } from '../../../model/values/words.ts';
import type { Palette } from '../../terminal/palette.ts';
import { displayed } from '../text.ts';
import { type Entry, renderGroups } from './groups.ts';
import { paintOfVerdict } from './mcp-servers.ts';
import {
  containerText,
  limitsText,
  networkText,
  paintOfStatus,
  refusedEntries,
  shortSource,
  stateText,
} from './servers.ts';

/** What a finding is about that is not about the server as it is. */
const earlier = { 'restarted-since': ', before it was started again', 'earlier-container': ', an earlier container' };

function healthText({ health, name, executions, state }: ServerInfo, nowMs: number, palette: Palette): string {
  // The ledger has both: where it cannot be read, nobody knows who asked.
  if (health === null && executions === null) return '-';
  if (health === null) return `nobody has asked yet: looms mcp health ${name}`;
  const { verdict, checkedAt, since, tools, detail, about } = health;
  const ago = (time: string): string => `${age(nowMs - Date.parse(time))} ago`;
  const runs = state === 'running' || state === 'pending';
  const past = { current: runs || verdict === 'stopped' ? '' : ', while it ran', ...earlier };
  const answered = tools === null ? '' : `, ${plural(tools, 'tool')}`;
  return [
    `${paintOfVerdict(verdict, palette)(verdict)}${palette.quiet(`, asked ${ago(checkedAt)}${past[about]}${answered}`)}`,
    ...(detail === '' ? [] : [detail]),
    palette.quiet(`since ${shownTime(since)}, ${ago(since)}`),
  ].join('\n');
}

function rotationText({ rotation }: ServerInfo): string {
  const { byAge, byExecutions } = rotation;
  const parts = present([
    byAge !== null && (byAge.leftMs === 0 ? 'due by age' : `in ${duration(byAge.leftMs)} (${shownTime(byAge.at)})`),
    byExecutions !== null &&
      (byExecutions.left === null
        ? `after ${plural(byExecutions.limit, 'call')}, not counted`
        : byExecutions.left === 0
          ? 'due by calls'
          : `after ${plural(byExecutions.left, 'more call')} of ${byExecutions.limit}`),
  ]);
  return parts.length === 0 ? 'never, by its spec' : parts.join(', or ');
}

/** How a server runs, in groups of aligned lines; `nowMs` is this machine's time. */
export function renderServerInfo(made: ServerInfo, nowMs: number, palette: Palette): string {
  const info = displayed(made, ['detail']);
  const exit = info.exitCode === null ? '' : ` (exit code ${info.exitCode})`;
  const groups: Entry[][] = [
    [
      ['state', `${paintOfStatus(info, palette)(stateText(info))}${exit}`],
      ['health', healthText(info, nowMs, palette)],
    ],
    [
      ['container', containerText(info, palette)],
      ['generation', String(info.generation)],
      ['image', info.image],
      ['image id', info.imageId],
      ['digest', info.imageDigests.join('\n') || 'none: it came from no registry'],
      ['source', shortSource(info.source ?? 'unknown')],
    ],
    [
      ['created', `${shownTime(info.createdAt)} ${palette.quiet(`${age(info.ageMs)} ago`)}`],
      ...(info.startedAt === null ? [] : [['started', shownTime(info.startedAt)] as const]),
      ...(info.finishedAt === null ? [] : [['stopped', shownTime(info.finishedAt)] as const]),
      ['restarts', String(info.restarts)],
      [
        'calls',
        info.executions === null ? '-' : `${info.executions} ${palette.quiet('of this container, from this machine')}`,
      ],
      ['rotation', rotationText(info)],
    ],
    [
      ['transport', info.transport],
      ['limits', limitsText(info)],
      ['network', networkText(info.network)],
      ...refusedEntries(info),
    ],
  ];
  return [
    `${palette.strong(info.name)} ${palette.quiet(`in project ${info.project}`)}`,
    '',
    renderGroups(groups, palette),
  ].join('\n');
}
