import type { Diagnostic } from '../../model/diagnostics.ts';
import type { JsonRpcError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import type { Notice } from '../../model/notices.ts';
import { defined } from '../../model/values/defined.ts';
import { seenJson } from '../../model/values/unseen.ts';
import type { Palette } from '../terminal/palette.ts';
import { visible, visibleBlock } from './text.ts';

/** Lines of a server's own error that a screen shows: of a longer one, a stack trace as a rule, the ends. */
const shownOfServer = 8;

function shownDetail({ code, detail }: Failure): readonly string[] {
  if (code !== 'json-rpc-error' || detail.length <= shownOfServer) return detail;
  const part = shownOfServer / 4;
  return [...detail.slice(0, part), `… ${detail.length - 2 * part} lines; --json shows all`, ...detail.slice(-part)];
}

/** What a failure looks like on screen: `error[code]: …`, the lines that belong to it, `hint: …`. */
export function renderFailure(failure: Failure, palette: Palette, indent = ''): string {
  return [
    `${palette.error(`error[${failure.code}]`)}: ${visibleBlock(failure.message)}`,
    ...shownDetail(failure).map((line) => `  ${palette.quiet('│')} ${visibleBlock(line, `  ${palette.quiet('│')} `)}`),
    ...(failure.hint === undefined ? [] : [`${palette.note('hint')}: ${visibleBlock(failure.hint)}`]),
  ]
    .map((line) => indent + line.replaceAll('\n', `\n${indent}`))
    .join('\n');
}

/** A notice in a word for how much it matters, its code, and its server: `note[restarts] fs: …`. */
export const renderNotice = (
  how: 'warning' | 'note',
  { code, server, message }: Notice,
  palette: Palette,
  shown = visible,
): string =>
  `${palette[how](`${how}[${code}]`)}${server === undefined ? '' : ` ${visible(server)}`}: ${shown(message)}`;

/** What is told beside an answer: `warning[code]: …`, and `hint: …` below it. */
export function renderWarning(notice: Notice, palette: Palette): string {
  const lines = notice.hint === undefined ? [] : [`${palette.note('hint')}: ${visibleBlock(notice.hint)}`];
  return [renderNotice('warning', notice, palette, visibleBlock), ...lines].join('\n');
}

/** A failure for programs. */
export type FailureReport = {
  readonly error: Failure & {
    readonly exitCode: number;
    readonly diagnostics?: readonly Diagnostic[];
    readonly jsonRpc?: JsonRpcError;
  };
};

/** A failure for programs: one JSON object on stderr (schemas/error.schema.json). */
export function errorJson(
  failure: Failure,
  exitCode: number,
  { diagnostics = [], jsonRpc }: { readonly diagnostics?: readonly Diagnostic[]; readonly jsonRpc?: JsonRpcError } = {},
): string {
  const report: FailureReport = {
    error: { ...failure, exitCode, ...(diagnostics.length === 0 ? {} : { diagnostics }), ...defined({ jsonRpc }) },
  };
  return seenJson(JSON.stringify(report));
}
