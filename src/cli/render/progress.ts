import type { Plan } from '../../model/plan.ts';
import type { Terminal } from '../terminal.ts';
import type { Progress } from './progress-lanes.ts';
import { lineProgress } from './progress-lines.ts';

/**
 * Live progress on a terminal, plain lines elsewhere. The live one is loaded only where it is used: it costs more than
 * all other rendering together.
 */
export async function openProgress(plan: Plan, terminal: Terminal, nowMs: () => number): Promise<Progress> {
  if (!terminal.live) return lineProgress({ notice: terminal.notice, palette: terminal.noticePalette, nowMs });
  const { liveProgress } = await import('./progress-listr.ts');
  return liveProgress(plan, terminal, nowMs);
}
