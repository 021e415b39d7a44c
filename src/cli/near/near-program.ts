import { type Duplex, Readable, Writable } from 'node:stream';
import { type EndingSignal, endingSignals } from '../errors.ts';
import type { Typed } from '../terminal/ask-line.ts';
import type { Program, Screen } from '../terminal/program.ts';
import { frameOf, frameReader, type Kind, kinds, type NearCommand } from './near-frames.ts';

/** How long a command may take to end when the gateway does, ms. */
const stopMs = 2_000;

/** A program went before its command had come to an end. */
export class ProgramLeft extends Error {}

/** A program at the other end of a socket, that the gateway works for. */
export type NearProgram = {
  /** Resolves with its command; rejects for what is none, or when it leaves before. */
  readonly command: Promise<NearCommand>;
  readonly programOf: (command: NearCommand) => Omit<Program, 'warm'> & { readonly exitCode: () => number | undefined };
  /** Says that it would be done, and resolves when it shall be. Rejects when its program leaves instead. */
  readonly agree: () => Promise<void>;
  /** Has its command end, as a signal would; what takes no notice is cut off, and at once what has none yet. */
  readonly stop: () => void;
  /** Ends it: with the exit code, or with the word that nothing was done. */
  readonly end: (how: { readonly exitCode: number } | 'declined') => Promise<void>;
};

/** What a program of this user says over a socket, whose connection has just been handed over with what came with it. */
export function nearProgram(socket: Duplex, head: Buffer): NearProgram {
  const command = Promise.withResolvers<NearCommand>();
  const go = Promise.withResolvers<void>();
  command.promise.catch(() => {}); // Whoever waits for it hears of it.
  go.promise.catch(() => {});
  const screens: Screen[] = [];
  const hearing = new Set<(signal: EndingSignal) => void>();
  let typed: ((answer: Typed) => void) | undefined;
  let hasCommand = false;
  /** Nothing goes out before the program has agreed: one that is declined does it all itself. */
  let held: Buffer[] | undefined = [];
  const say = (kind: Kind, content?: string | Uint8Array): boolean => {
    const frame = frameOf(kind, content);
    if (held === undefined) return socket.writable && socket.write(frame);
    held.push(frame);
    return true;
  };
  const tell = (signal: EndingSignal): void => {
    for (const hear of [...hearing]) hear(signal);
  };
  const input = new Readable({
    read() {
      say(kinds.wantInput);
      this._read = () => {};
    },
  });
  const left = (): void => {
    const why = new ProgramLeft('the program left');
    command.reject(why);
    go.reject(why);
    typed?.({ ended: 'closed', cause: why });
    // As when a terminal goes away: nobody waits for it.
    tell('SIGHUP');
  };
  const take = frameReader({
    [kinds.command](content) {
      hasCommand = true;
      command.resolve(JSON.parse(content.toString()));
    },
    [kinds.go]: () => go.resolve(),
    [kinds.signal](content) {
      const signal = endingSignals.find((one) => one === content.toString());
      if (signal !== undefined) tell(signal);
    },
    [kinds.input]: (content) => void input.push(content),
    [kinds.inputEnd]: () => void input.push(null),
    [kinds.typed]: (content) => typed?.(JSON.parse(content.toString())),
  });
  socket.on('data', (piece: Buffer) => {
    try {
      take(piece);
    } catch {
      socket.destroy();
    }
  });
  // A connection of Node's HTTP server stays half open when the other side ends.
  socket
    .on('error', () => {})
    .on('end', left)
    .on('close', left);

  const screenOf = (kind: Kind, isTerminal: boolean, [columns, rows]: readonly (number | undefined)[]): Screen => {
    const out = new Writable({
      decodeStrings: true,
      write(chunk: Buffer, _encoding, done) {
        if (say(kind, chunk) || !socket.writable) return done();
        const go = (): void => {
          socket.off('drain', go).off('close', go);
          done();
        };
        socket.on('drain', go).on('close', go);
      },
    });
    const screen = Object.assign(out, { isTTY: isTerminal, columns, rows }) as Screen;
    screens.push(screen);
    return screen;
  };
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: looms\r\n\r\n');
  if (head.length > 0) take(head);

  return {
    command: command.promise,
    programOf({ argv, environment, workingDirectory, pid, isTerminal, size }) {
      let exitCode: number | undefined;
      return {
        argv,
        environment,
        workingDirectory,
        pid,
        stdin: Object.assign(input, { isTTY: isTerminal[0] }),
        stdout: screenOf(kinds.stdout, isTerminal[1], size.slice(0, 2)),
        stderr: screenOf(kinds.stderr, isTerminal[2], size.slice(2)),
        async askLine(question, { signal } = {}) {
          const answer = Promise.withResolvers<Typed>();
          typed = answer.resolve;
          const takeBack = (): void => void say(kinds.ask);
          signal?.addEventListener('abort', takeBack, { once: true });
          say(kinds.ask, JSON.stringify(question));
          return answer.promise.finally(() => signal?.removeEventListener('abort', takeBack));
        },
        onSignal(hear) {
          hearing.add(hear);
          return () => void hearing.delete(hear);
        },
        interrupt: () => tell('SIGINT'),
        setExitCode(code) {
          exitCode = code;
        },
        exitCode: () => exitCode,
      };
    },
    async agree() {
      socket.write(frameOf(kinds.ready));
      await go.promise;
      const waiting = held ?? [];
      held = undefined;
      for (const frame of waiting) socket.write(frame);
    },
    stop() {
      if (!hasCommand) return void socket.destroy();
      tell('SIGTERM');
      setTimeout(() => socket.destroy(), stopMs).unref();
    },
    async end(how) {
      if (how === 'declined') held = [];
      await Promise.all(screens.map((screen) => new Promise<void>((resolve) => screen.end(() => resolve()))));
      socket.off('end', left).off('close', left);
      const frame = how === 'declined' ? frameOf(kinds.declined) : frameOf(kinds.exit, String(how.exitCode));
      await new Promise<void>((resolve) => {
        socket.once('close', resolve);
        socket.end(frame, () => resolve());
      });
    },
  };
}
