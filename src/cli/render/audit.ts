import type { SeenCall, SeenChange } from '../../app/inspect/read-audit.ts';
import type { SeenChangeResult, SeenResult, Verification } from '../../model/audit.ts';
import { assertNever } from '../../model/errors.ts';
import { duration, shownTime } from '../../model/times.ts';
import type { PaintName, Palette } from '../palette.ts';
import { type Cell, renderTable } from './table.ts';
import { byteSize, plural, truncate, visible } from './text.ts';

const paintNames: Readonly<Record<SeenResult, PaintName>> = {
  ok: 'good',
  running: 'change',
  'tool-error': 'error',
  'json-rpc-error': 'error',
  timeout: 'error',
  'server-exited': 'error',
  failed: 'error',
  interrupted: 'warning',
  refused: 'warning',
  unknown: 'warning',
};

/** Why it ended so, where the result alone does not say it. */
const because = ({ result, code }: SeenCall): string => {
  if (result === 'unknown') return ' (looms ended before the answer)';
  return code !== undefined && (result === 'failed' || result === 'refused') ? ` (${visible(code)})` : '';
};

/** Names that came from a command line may be long; a table with one stays readable. */
const cell = (text: string): string => truncate(visible(text), 40);

/** Calls as a table, in their order; the project only where several may show. Times in UTC. */
export function renderCalls(calls: readonly SeenCall[], withProject: boolean, palette: Palette): string {
  const headers = [
    'TIME',
    ...(withProject ? ['PROJECT'] : []),
    'SERVER',
    'GEN',
    'TOOL',
    'TOOK',
    'ARGS',
    'WHO',
    'RESULT',
  ];
  const rows = calls.map((call): Cell[] => [
    { text: shownTime(call.time), paint: palette.quiet },
    ...(withProject ? [cell(call.project)] : []),
    { text: cell(call.server), paint: palette.strong },
    String(call.generation),
    cell(call.tool),
    call.durationMs === undefined ? '-' : duration(call.durationMs),
    call.argumentsBytes === undefined ? '-' : byteSize(call.argumentsBytes),
    cell(`${call.user}@${call.host}`),
    { text: call.result + because(call), paint: palette[paintNames[call.result]] },
  ]);
  return renderTable(headers, rows, palette);
}

const changePaints: Readonly<Record<SeenChangeResult, PaintName>> = {
  done: 'good',
  running: 'change',
  partly: 'error',
  'gate-failed': 'error',
  'not-serving': 'error',
  failed: 'error',
  'timed-out': 'error',
  blocked: 'warning',
  interrupted: 'warning',
  unknown: 'warning',
};

/** Changes as a table, in their order, each server or secret in a row of its own. Times in UTC. */
export function renderChanges(changes: readonly SeenChange[], withProject: boolean, palette: Palette): string {
  const headers = ['TIME', ...(withProject ? ['PROJECT'] : []), 'COMMAND', 'WHAT', 'COMMIT', 'WHO', 'RESULT'];
  const rows = changes.flatMap((change): Cell[][] => {
    const { servers } = change;
    const head = (first: boolean): Cell[] => [
      { text: first ? shownTime(change.time) : '', paint: palette.quiet },
      ...(withProject ? [first ? cell(change.project ?? '-') : ''] : []),
      first ? cell(change.command) : '',
    ];
    const who = (first: boolean): Cell => (first ? cell(`${change.user}@${change.host}`) : '');
    const result = (text: string, why: string | undefined, paint: PaintName): Cell => ({
      text: `${text}${why === undefined ? '' : `: ${truncate(visible(why), 100)}`}`,
      paint: palette[paint],
    });
    const whole = result(change.result, change.why, changePaints[change.result]);
    if (servers.length === 0) return [[...head(true), visible(change.subject ?? '-'), '-', who(true), whole]];
    return servers.map((server, index) => [
      ...head(index === 0),
      { text: `${visible(server.action)} ${cell(server.server)}`, paint: palette.strong },
      server.commit === undefined ? '-' : shownCommit(server.commit),
      who(index === 0),
      server.result === undefined || change.why !== undefined
        ? whole
        : result(visible(server.result), server.why, server.result === 'done' ? 'good' : 'error'),
    ]);
  });
  return renderTable(headers, rows, palette);
}

/** A commit as Git shortens it, and whether the file differed from it. */
const shownCommit = (commit: string): string => visible(commit.replace(/^([0-9a-f]{7})[0-9a-f]*/, '$1'));

/** Whether the trail is whole; if not, where it breaks and what that means. */
export function renderVerification(found: Verification, palette: Palette): string {
  if (found.intact) {
    if (found.head === undefined) {
      const nothing = 'Nothing to verify: nothing was recorded on this machine yet.';
      const key = found.keyWithoutTrail;
      if (key === undefined) return nothing;
      return [
        'Nothing to verify: there is no record.',
        `${palette.warning('!')} a key is there and the trail is not (${visible(key)}): it may have been removed`,
      ].join('\n');
    }
    return [
      `${palette.good('✓')} the trail is intact: ${plural(found.records, 'record')}, each as it was written`,
      `  head ${found.head.seq}:${found.head.hash}`,
    ].join('\n');
  }
  const when = found.time === undefined ? '' : ` (it says ${visible(found.time)})`;
  return [
    `${palette.error('✗')} the trail is broken at record ${found.seq}${when}: ${faultText(found)}`,
    ...(found.seq > 1 && found.fault !== 'other-head'
      ? [`  ${plural(found.seq - 1, 'record')} before it ${found.seq === 2 ? 'is' : 'are'} as written`]
      : []),
  ].join('\n');
}

function faultText({ fault }: Extract<Verification, { intact: false }>): string {
  switch (fault) {
    case 'changed':
      return 'it was changed, put in another place, or not written with the key of this machine';
    case 'missing':
      return 'it was removed';
    case 'cut-off':
      return 'it and what may follow was removed from the end';
    case 'unproven-end':
      return 'the mark of the end, which belongs before it, is missing or was not written with the key of this machine';
    case 'other-head':
      return 'the head that was given is not in this trail; the trail was written anew, or an older copy put in its place';
    default:
      return assertNever(fault);
  }
}
