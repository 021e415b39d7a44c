import type { Connection, ConnectionOptions } from './connection.ts';
import { createExecTransport } from './exec-transport.ts';
import type { SessionTarget } from './session.ts';
import { startSessionProcess } from './session-process.ts';
import { settledWithin } from './settled-within.ts';

/** How many stray lines are kept for messages; all of them go to `onStray`. */
const maxStrayKept = 5;

/** A connection to a stdio server: one exec of its argv. Throws what `Engine.exec` throws. */
export async function connectStdio(target: SessionTarget, options: ConnectionOptions): Promise<Connection> {
  const { lifetimeMs, graceMs, signal } = options;
  const process = await startSessionProcess(target, { limitMs: lifetimeMs, graceMs, signal });
  options.onConnected();
  const kept: string[] = [];
  const onStray = (line: string) => {
    if (kept.length < maxStrayKept) kept.push(line);
    options.onStray(line);
  };
  const transport = createExecTransport(process.exec, { onStray, onText: options.onText });

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
    transport,
    isHttp: false,
    async ending(waitMs) {
      const fatal = transport.fatal();
      if (fatal !== undefined) return { kind: 'failed', error: fatal };
      if (!transport.endedByPeer()) return undefined;
      await settledWithin(ended, waitMs);
      return { kind: 'exited', code: exit?.code ?? null };
    },
    stray: () => kept,
    stderr: process.stderrTail,
    async close() {
      await process.end();
    },
  };
}
