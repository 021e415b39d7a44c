import type { EventSink } from '../../model/events.ts';
import type { Plan } from '../../model/plan.ts';
import type { Terminal } from '../terminal.ts';
import { lineProgress } from './progress-lines.ts';

/** Shows what an execution does, on stderr. */
export type Progress = {
  readonly sink: EventSink;
  /** A line that stays, without disturbing what is being drawn. */
  readonly notice: (text: string) => void;
  /** Takes down what was drawn. Must be called, also after a failure. */
  readonly finish: () => Promise<void>;
};

/**
 * Live progress on a terminal, plain lines elsewhere. The live one is loaded only where it is used: it costs more than
 * all other rendering together.
 */
export async function openProgress(plan: Plan, terminal: Terminal, nowMs: () => number): Promise<Progress> {
  if (!terminal.live) return lineProgress({ notice: terminal.notice, palette: terminal.noticePalette, nowMs });
  const { liveProgress } = await import('./progress-listr.ts');
  return liveProgress(plan, terminal, nowMs);
}
