import { assertNever } from '../../../model/errors.ts';
import { duration, shownTime } from '../../../model/times.ts';
import type { LifecycleEvent } from '../../../model/trail/lifecycle-events.ts';
import type { Palette } from '../../terminal/palette.ts';
import { describeReason, fieldsTold, valuesOf } from '../plan/reasons.ts';
import { truncate, visible } from '../text.ts';
import { alertWords } from '../watch-lines.ts';
import { shortSource } from './servers.ts';

/** Columns of one value of a field in a line. */
const widestValue = 40;

/** An event in one line for people, what made a change below it. */
export function renderEvent(event: LifecycleEvent, palette: Palette): string {
  const head = `${palette.quiet(shownTime(event.ts))}  ${palette.strong(visible(event.server))}`;
  if (event.source === 'engine')
    return `${head} ${palette.quiet(`gen ${event.generation}`)} ${toldWords(event, palette)}`;
  if (event.type === 'alert') return `${head} ${alertWords(event, palette)}`;
  const { cause, reasons, result, ms, message } = event;
  const took = ms === undefined ? '' : ` in ${duration(ms)}`;
  const isDone = result === 'done';
  const outcome = `${isDone ? palette.good(result) : palette.error(visible(result))}${isDone ? took : ''}`;
  const from = cause.file === undefined ? '' : `, ${sourceOf(cause)}`;
  const trigger = cause.trigger === undefined || cause.trigger === 'person' ? '' : ` (${cause.trigger})`;
  const author = cause.author === undefined ? '' : ` by ${visible(cause.author)}`;
  return [
    `${head} ${palette.change(visible(event.action))}${genWords(event.gen)}: ${outcome}`,
    ...(message === undefined ? [] : [palette.error(visible(message))]),
    ...reasons.flatMap((reason) => [`because ${describeReason(reason)}`, ...fieldsTold(reason).map(fieldText)]),
    palette.quiet(`by ${visible(cause.command)}${trigger}, ${visible(cause.principal)}${from}${author}`),
  ].join('\n    ');
}

const sourceOf = ({ file = '', line, commit }: Extract<LifecycleEvent, { type: 'changed' }>['cause']): string =>
  shortSource(`${file}${line === undefined ? '' : `:${line}`}${commit === undefined ? '' : `@${commit}`}`);

const genWords = (gen: Extract<LifecycleEvent, { type: 'changed' }>['gen']): string =>
  gen === undefined || gen.from === gen.to ? '' : ` (gen ${gen.from ?? 'none'} → ${gen.to ?? 'none'})`;

function fieldText(field: Parameters<typeof valuesOf>[0]): string {
  const { from, to } = valuesOf(field);
  const value = (text: string): string => truncate(visible(text), widestValue);
  return `  ${visible(field.path)}  ${value(from)} → ${value(to)}`;
}

function toldWords(event: Extract<LifecycleEvent, { source: 'engine' }>, palette: Palette): string {
  switch (event.type) {
    case 'created':
    case 'started':
    case 'paused':
    case 'unpaused':
    case 'removed':
      return event.type;
    case 'updated':
      return palette.warning('updated: somebody changed its limits or restart policy');
    case 'renamed':
      return `renamed to ${visible(event.containerName)}`;
    case 'oom':
      return palette.error('ran out of memory: the kernel ended something in it');
    case 'ended':
      return `ended with exit code ${event.exitCode ?? 'unknown'}`;
    case 'health':
      return event.health === 'unhealthy'
        ? palette.error('is unhealthy, says its HEALTHCHECK')
        : `is ${event.health}, says its HEALTHCHECK`;
    default:
      return assertNever(event.type);
  }
}
