import type { SeenCall, SeenChange } from '../../app/inspect/read-audit.ts';
import { assertNever } from '../../model/errors.ts';
import { duration, shownTime } from '../../model/times.ts';
import type { SeenChangeResult, SeenResult, Verification } from '../../model/trail/audit.ts';
import { plural } from '../../model/values/words.ts';
import type { PaintName, Palette } from '../terminal/palette.ts';
import { shortSource } from './servers/servers.ts';
import { type Cell, renderTable, type TableStyle } from './table.ts';
import { byteSize, visible } from './text.ts';

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

/** `withProject`: whether several projects may show. */
type TableOptions = TableStyle & { readonly withProject: boolean };

/** Calls as a table, in their order. Times in UTC. */
export function renderCalls(calls: readonly SeenCall[], { withProject, palette, width }: TableOptions): string {
  const columns = ['SERVER', 'GEN', 'TOOL', 'TOOK', 'ARGS', 'WHO', 'RESULT'];
  const headers = ['TIME', ...(withProject ? ['PROJECT'] : []), ...columns];
  const rows = calls.map((call): Cell[] => [
    { text: shownTime(call.time), paint: palette.quiet },
    ...(withProject ? [visible(call.project)] : []),
    { text: visible(call.server), paint: palette.strong },
    String(call.generation),
    visible(call.tool),
    call.durationMs === undefined ? '-' : duration(call.durationMs),
    call.argumentsBytes === undefined ? '-' : byteSize(call.argumentsBytes),
    visible(`${call.principal === undefined ? '' : `${call.principal} by `}${call.user}@${call.host}`),
    { text: call.result + because(call), paint: palette[paintNames[call.result]] },
  ]);
  return renderTable(headers, rows, palette, width);
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

type ChangeRow = { readonly what: string; readonly from: string; readonly result: string };

/** What a change is about, a row each: a server, or what else it changed. */
function rowsOf(change: SeenChange): readonly ChangeRow[] {
  const { servers = [], support = [], secret, lock, outcomes = [], result, code } = change;
  const whole = result + (code === undefined ? '' : ` (${code})`);
  const ofServers = servers.map(({ server, action, source = '' }): ChangeRow => {
    const ended = outcomes.find((one) => one.server === server);
    const said = ended === undefined ? whole : ended.outcome + (ended.code === undefined ? '' : ` (${ended.code})`);
    return { what: `${action} ${server}`, from: shortSource(source), result: said };
  });
  if (ofServers.length > 0) return ofServers;
  const others = [
    ...(secret === undefined ? [] : [`secret ${secret}`]),
    ...(lock === undefined ? [] : [`lock ${lock}`]),
    ...support.map(({ kind, name, action }) => `${action} ${kind} ${name}`),
  ];
  return (others.length === 0 ? ['-'] : others).map((what) => ({ what, from: '', result: whole }));
}

/** Changes as a table, in their order. Times in UTC. */
export function renderChanges(changes: readonly SeenChange[], { withProject, palette, width }: TableOptions): string {
  const headers = ['TIME', ...(withProject ? ['PROJECT'] : []), 'COMMAND', 'WHAT', 'FROM', 'TOOK', 'WHO', 'RESULT'];
  const rows = changes.flatMap((change) =>
    rowsOf(change).map(({ what, from, result }): Cell[] => [
      { text: shownTime(change.time), paint: palette.quiet },
      ...(withProject ? [visible(change.project ?? '-')] : []),
      visible(change.command.replace(/^looms /, '')),
      { text: visible(what), paint: palette.strong },
      from === '' ? '-' : visible(from),
      change.durationMs === undefined ? '-' : duration(change.durationMs),
      visible(`${change.user}@${change.host}`),
      { text: visible(result), paint: palette[changePaints[change.result]] },
    ]),
  );
  return renderTable(headers, rows, palette, width);
}

/** Whether the trail is whole; if not, where it breaks and what that means. */
export function renderVerification(found: Verification, palette: Palette): string {
  if (found.intact) {
    if (found.head === undefined) {
      const nothing = 'Nothing to verify: no call was recorded on this machine yet.';
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
  if (found.fault === 'tables') {
    return [
      `${palette.error('✗')} the tables of the trail are not as looms makes them, so what is shown need not be what was written`,
      '  the records themselves may be whole: keep ledger.sqlite; to begin a new trail, move it and audit-key away',
    ].join('\n');
  }
  const when = found.time === undefined ? '' : ` (it says ${visible(found.time)})`;
  return [
    `${palette.error('✗')} the trail is broken at record ${found.seq}${when}: ${faultText(found.fault)}`,
    ...(found.seq > 1 && found.fault !== 'other-head'
      ? [`  ${plural(found.seq - 1, 'record')} before it ${found.seq === 2 ? 'is' : 'are'} as written`]
      : []),
  ].join('\n');
}

function faultText(fault: Extract<Verification, { readonly seq: number }>['fault']): string {
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
