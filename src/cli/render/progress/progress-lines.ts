import { assertNever } from '../../../model/errors.ts';
import type { EventSink } from '../../../model/events.ts';
import type { StepId } from '../../../model/ids.ts';
import { duration } from '../../../model/times.ts';
import type { Palette } from '../../terminal/palette.ts';
import { visible } from '../text.ts';
import { describeProgress, laneOf, type Progress } from './progress-lanes.ts';

/** A step that goes on says so again at most this often, ms: pulls report several times a second. */
const quietMs = 5000;

/** Progress where nothing can be drawn over: a line when a step starts and when it ended, now and then between. */
export function lineProgress(options: {
  readonly notice: (text: string) => void;
  readonly palette: Palette;
  readonly nowMs: () => number;
}): Progress {
  const { notice, palette, nowMs } = options;
  const lastLine = new Map<StepId, number>();
  const sink: EventSink = (event) => {
    const head = `${palette.quiet(`[${visible(laneOf(event.step))}]`)} ${visible(event.step.text)}`;
    switch (event.type) {
      case 'step-started':
        lastLine.set(event.step.id, nowMs());
        return notice(head);
      case 'step-progress': {
        if (nowMs() - (lastLine.get(event.step.id) ?? 0) < quietMs) return;
        lastLine.set(event.step.id, nowMs());
        return notice(`${head}: ${describeProgress(event.progress)}`);
      }
      case 'step-ended': {
        const { result } = event;
        switch (result.result) {
          case 'ok':
            return notice(
              `${head}: done in ${duration(event.milliseconds)}${result.note === undefined ? '' : ` (${visible(result.note)})`}`,
            );
          case 'skipped':
            return result.because === 'not-needed' ? undefined : notice(`${head}: skipped`);
          case 'failed':
          case 'unknown':
            return notice(`${head}: ${palette.error('failed')}: ${visible(result.failure.message)}`);
          default:
            return assertNever(result);
        }
      }
      default:
        return assertNever(event);
    }
  };
  return { sink, notice, finish: () => Promise.resolve() };
}
