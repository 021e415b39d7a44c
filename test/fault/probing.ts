import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { emptyFolder } from '../support/looms.ts';

export type ProbeCall = {
  readonly server: string;
  readonly began: number;
  readonly ended: number;
  readonly error?: string;
};

/** The prober of one project. */
export type Probing = {
  /** Calls since the last `take`. */
  readonly take: () => readonly ProbeCall[];
  /** Resolves when every server has answered a call that began after now. */
  readonly answered: () => Promise<void>;
  readonly end: () => Promise<void>;
};

/** Starts calling `probes`, as `server:tool`, in a process of its own with a ledger of its own. */
export function startProbing(project: string, probes: readonly string[]): Probing {
  const program = fileURLToPath(new URL('prober.ts', import.meta.url));
  const child = spawn(process.execPath, [program, project, ...probes], {
    cwd: emptyFolder(),
    env: { ...process.env, XDG_STATE_HOME: emptyFolder() },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let calls: ProbeCall[] = [];
  const listeners = new Set<(call: ProbeCall) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const call = JSON.parse(line) as ProbeCall;
    calls.push(call);
    for (const listener of listeners) listener(call);
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    take: () => {
      const taken = calls;
      calls = [];
      return taken;
    },
    answered: () =>
      new Promise((resolve) => {
        const from = Date.now();
        const left = new Set(probes.map((probe) => probe.split(':')[0]));
        const listener = (call: ProbeCall): void => {
          if (call.began >= from && call.error === undefined) left.delete(call.server);
          if (left.size > 0) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
        void closed.then(resolve);
      }),
    end: () => {
      child.stdin.end();
      return closed;
    },
  };
}
