import { randomBytes } from 'node:crypto';
import { LoomsError } from '../../model/errors.ts';
import { orAborted } from '../../model/values/or-aborted.ts';
import type { ExecSession } from '../../orchestrator/session-host.ts';
import { type KeptSession, keeperOf } from './keeper.ts';
import type { Lack, LinkTarget } from './link.ts';
import {
  beginsWord,
  endScript,
  markVariable,
  noRoomWord,
  refusedScript,
  renewScript,
  waitsWord,
  watcherWord,
  wrapperScript,
} from './session-scripts.ts';
import { settledWithin } from './settled-within.ts';

/** Tenths of a second that a server gets between SIGTERM and SIGKILL. */
const killAfterTenths = '10';
/** How long the engine and the end script may take, ms: two waits of at most 2 s, and room for a busy machine. */
const killAnswerMs = 10_000;

/** Longest piece of a session's own stderr that is kept for messages, characters. */
const stderrTailLength = 4_000;

export type SessionProcess = {
  readonly exec: ExecSession;
  /** What came through the exec's own stderr: nothing where it goes to the container's log. */
  readonly stderrTail: () => readonly string[];
  /** What was lacking, for a process that ended with this code before the server began. */
  readonly noRoom: (exitCode: number | null) => Lack | undefined;
  /** How many others its container had when it began, those that waited for room included; 0 where nobody can say. */
  readonly beside: () => number;
  /** Whether the kernel has refused a process or a thread in the container since it began; false where nobody can say. */
  readonly wasRefused: () => Promise<boolean>;
  /** Half-closes its input, waits `graceMs`, then ends the group by an exec; says which it took. Never throws. */
  readonly end: () => Promise<SessionEnd>;
  /** Half-closes its input, and resolves when that is on its way to the container. Never throws. */
  readonly leave: () => Promise<void>;
};

type SessionEnd =
  | { readonly how: 'by-itself' }
  | { readonly how: 'killed' }
  /** The image has no shell, or the engine did not answer: its own time limit, or the container's end, remains. */
  | { readonly how: 'abandoned'; readonly why: string };

type SessionProcessOptions = {
  /** How long it may wait in the container until there is room for it, ms. */
  readonly patienceMs: number;
  /** Hears about once a second that it waits. */
  readonly onWaiting?: (() => void) | undefined;
  /** Its lease, ms: it ends by itself after that, also when nobody is left to end it. */
  readonly limitMs: number;
  /** Whether the lease is renewed as long as this program holds the session. */
  readonly renews: boolean;
  /** How long a server may take to go after its input ended, ms. */
  readonly graceMs: number;
  readonly signal?: AbortSignal;
};

/**
 * Starts a stdio server's argv in its container, bounded in time, with its stderr in the container's log. Without a
 * shell in the image the argv runs bare: no limit of its own, and stderr stays with us. Throws what `Engine.exec`
 * throws.
 */
export async function startSessionProcess(
  target: LinkTarget,
  { limitMs, renews, patienceMs, graceMs, signal, onWaiting = () => {} }: SessionProcessOptions,
): Promise<SessionProcess> {
  if (signal?.aborted) throw stoppedStarting();
  const mark = randomBytes(12).toString('hex');
  const seconds = String(Math.max(1, Math.ceil(limitMs / 1000)));
  const patience = String(Math.max(0, Math.floor(patienceMs / 1000)));
  const keeper = renews && target.hasShell ? keeperOf(target, limitMs) : undefined;
  let words: ReturnType<typeof readStderr> | undefined;
  const kept: KeptSession = {
    mark,
    group: () => words?.group() ?? 0,
    watcher: () => words?.watcher(),
    renew: () => renewLease(target, words?.watcher(), mark),
  };
  // Before it begins: whatever ends this program in between ends what was begun.
  keeper?.add(kept);
  const starting = target.sessions.exec(target.container, {
    argv: target.hasShell
      ? ['sh', '-c', wrapperScript, seconds, patience, renews ? '1' : '0', ...target.argv]
      : target.argv,
    env: target.hasShell ? { ...target.env, [markVariable]: mark } : target.env,
  });
  const exec = await startedOrEnded(starting, signal, () => endInContainer(target, 0, mark)).catch((error: unknown) => {
    keeper?.remove(kept);
    throw error;
  });
  const stderr = readStderr(exec, target.hasShell, { onWaiting, onWatcher: () => keeper?.began(kept) });
  words = stderr;
  let ended = false;
  const over = () => {
    ended = true;
    keeper?.remove(kept);
  };
  exec.ended.then(over, over);

  const leave = (): Promise<void> => {
    keeper?.remove(kept);
    exec.stdin.on('error', () => {}); // The process may be gone already; `ended` says so.
    exec.stdout.resume();
    return settledWithin(new Promise<void>((resolve) => exec.stdin.end(() => resolve())), graceMs);
  };

  const end = async (): Promise<SessionEnd> => {
    leave();
    await settledWithin(exec.ended, graceMs);
    const result: SessionEnd = ended ? await afterEnd() : await endInContainer(target, stderr.group(), mark);
    if (!ended) await settledWithin(exec.ended, 500);
    exec.destroy();
    return result;
  };

  // A connection that broke says nothing about the process behind it.
  const afterEnd = async (): Promise<SessionEnd> => {
    const { exitCode } = await exec.ended;
    return exitCode === null ? endInContainer(target, stderr.group(), mark) : { how: 'by-itself' };
  };

  let ending: Promise<SessionEnd> | undefined;
  return {
    exec,
    stderrTail: stderr.tail,
    noRoom: (exitCode) => {
      if (!target.hasShell) return undefined;
      const never = exitCode !== null && stderr.group() === 0;
      return never ? { of: 'anything' } : lackOf(stderr.tail().at(-1));
    },
    beside: () => Number(stderr.begins()?.beside ?? 0),
    wasRefused: async () => {
      const before = stderr.begins()?.refused;
      if (before === undefined) return false;
      return (await runScript(target, refusedScript, before).catch(() => null)) === 0;
    },
    end: () => {
      ending ??= end().catch((error: unknown) => ({ how: 'abandoned', why: String(error) }));
      return ending;
    },
    leave,
  };
}

/** Reads the wrapper's last word. */
function lackOf(line: string | undefined): Lack | undefined {
  const [word, open, of, used, most] = line?.split(' ') ?? [];
  if (word !== noRoomWord || (of !== 'processes' && of !== 'memory')) return undefined;
  return { of, open: Number(open), used: Number(used), most: Number(most) };
}

const waitsLine = new RegExp(`^${waitsWord}\\n`, 'gm');
const beginsLine = new RegExp(`^${beginsWord} (\\d+) (\\d+)\\n`, 'm');
const watcherLine = new RegExp(`^${watcherWord} (\\d+)\\n`, 'm');

const stoppedStarting = (): LoomsError => new LoomsError('interrupted', 'stopped while a session was being started');

/**
 * The exec once it runs. Who gives up meanwhile leaves no process behind: a start that was asked for happens all the
 * same, so it is waited for, within what the engine may take, and ended. Throws `interrupted` then.
 */
async function startedOrEnded(
  starting: Promise<ExecSession>,
  signal: AbortSignal | undefined,
  endProcess: () => Promise<SessionEnd>,
): Promise<ExecSession> {
  const started = await orAborted(starting, signal);
  if (started !== undefined) return started;
  const ending = starting.then(async (late) => {
    try {
      await endProcess();
    } finally {
      late.destroy();
    }
  });
  await settledWithin(ending, killAnswerMs);
  throw stoppedStarting();
}

/** One renewal. One that fails leaves the rest of the lease to the next. */
async function renewLease(target: LinkTarget, watcher: string | undefined, mark: string): Promise<void> {
  if (!target.hasShell || watcher === undefined) return;
  // The engine may be back before the lease is over; if not, the session ends, which its exec tells.
  await runScript(target, renewScript, watcher, mark).catch(() => null);
}

/** Runs the end script as a second exec in the container. */
async function endInContainer(target: LinkTarget, group: number, mark: string): Promise<SessionEnd> {
  if (!target.hasShell) return { how: 'abandoned', why: 'the image has no shell' };
  const code = await runScript(target, endScript, String(group), mark, killAfterTenths);
  return code === 0 ? { how: 'killed' } : { how: 'abandoned', why: `ending it in the container gave ${code}` };
}

/** The exit code of a short script in the container; null where that was not known in time. Throws what `exec` throws. */
async function runScript({ sessions, container }: LinkTarget, ...argv: readonly string[]): Promise<number | null> {
  const signal = AbortSignal.timeout(killAnswerMs);
  const exec = await sessions.exec(container, { argv: ['sh', '-c', ...argv] }, { signal });
  for (const stream of [exec.stdin, exec.stdout, exec.stderr]) stream.on('error', () => {});
  exec.stdin.end();
  exec.stdout.resume();
  exec.stderr.resume();
  let code: number | null = null;
  const ended = exec.ended.then(({ exitCode }) => {
    code = exitCode;
  });
  await settledWithin(ended, killAnswerMs);
  exec.destroy();
  return code;
}

/** Reads what the wrapper says of itself: its process group's id in its first line; keeps the end of whatever else there is. */
function readStderr(
  exec: ExecSession,
  wrapped: boolean,
  { onWaiting, onWatcher }: { readonly onWaiting: () => void; readonly onWatcher: () => void },
): {
  group: () => number;
  watcher: () => string | undefined;
  begins: () => { readonly refused: string; readonly beside: string } | undefined;
  tail: () => readonly string[];
} {
  let text = '';
  let group = 0;
  let watcher: string | undefined;
  let begins: { readonly refused: string; readonly beside: string } | undefined;
  exec.stderr.on('error', () => {}); // The same break shows in `ended`.
  exec.stderr.setEncoding('utf8');
  exec.stderr.on('data', (chunk: string) => {
    text += chunk;
    if (wrapped && group === 0 && text.includes('\n')) {
      group = Number.parseInt(text, 10) || 0;
      if (group !== 0) text = text.slice(text.indexOf('\n') + 1);
    }
    if (wrapped && begins === undefined) {
      text = text.replace(waitsLine, () => {
        onWaiting();
        return '';
      });
      text = text.replace(beginsLine, (_, refused: string, beside: string) => {
        begins = { refused, beside };
        return '';
      });
    }
    if (wrapped && watcher === undefined) {
      text = text.replace(watcherLine, (_, id: string) => {
        watcher = id;
        return '';
      });
      if (watcher !== undefined) onWatcher();
    }
    if (text.length > 2 * stderrTailLength) text = text.slice(-stderrTailLength);
  });
  return {
    group: () => group,
    watcher: () => watcher,
    begins: () => begins,
    tail: () =>
      text
        .slice(-stderrTailLength)
        .split('\n')
        .filter((line) => line.trim() !== ''),
  };
}
