import { performance } from 'node:perf_hooks';
import { createExecFrames } from './exec-frames.ts';
import type { LinkOptions, LinkTarget, StdioLink } from './link.ts';
import { startSessionProcess } from './session-process.ts';
import { settledWithin } from './settled-within.ts';

/** How many stray lines are kept for messages; all of them go to `onStray`. */
const maxStrayKept = 5;

/** How much of the time to connect may be spent on waiting for room: the rest is for the server to start. */
const patienceShare = 0.7;

/** A link to a stdio server: one exec of its argv. Throws what `SessionHost.exec` throws. */
export async function linkStdio(target: LinkTarget, options: LinkOptions): Promise<StdioLink> {
  const { lifetimeMs, renews, graceMs, signal, onWaiting } = options;
  const patienceMs = patienceShare * (options.deadline - performance.now());
  const bounds = { limitMs: lifetimeMs, renews, patienceMs, graceMs, signal };
  const process = await startSessionProcess(target, { ...bounds, onWaiting });
  options.onConnected();
  const kept: string[] = [];
  const onStray = (line: string) => {
    if (kept.length < maxStrayKept) kept.push(line);
    options.onStray(line);
  };
  const frames = createExecFrames(process.exec, { onStray, onText: options.onText });

  let exit: { code: number | null } | undefined;
  const ended = process.exec.ended.then(
    ({ exitCode }) => {
      exit = { code: exitCode };
    },
    () => {
      exit = { code: null };
    },
  );

  return {
    kind: 'stdio',
    frames,
    async ending(waitMs) {
      const fatal = frames.fatal();
      if (fatal !== undefined) return { kind: 'failed', error: fatal };
      if (!frames.endedByPeer()) return undefined;
      await settledWithin(ended, waitMs);
      const code = exit?.code ?? null;
      const lack = process.noRoom(code);
      return lack === undefined ? { kind: 'exited', code } : { kind: 'no-room', lack };
    },
    beside: process.beside,
    wasRefused: process.wasRefused,
    stray: () => kept,
    stderr: process.stderrTail,
    close: async () => ({ byItself: (await process.end()).how === 'by-itself' }),
    leave: process.leave,
  };
}
