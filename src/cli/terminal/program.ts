import type { Readable, Writable } from 'node:stream';
import { type EndingSignal, endingSignals } from '../errors.ts';
import type { Warm } from '../near/warm.ts';
import { askLine } from './ask-line.ts';

/** A stream of a program that a person may look at. */
export type Screen = Writable & Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'rows'>;

/** The process of whoever gave a command, as the command meets it: this one, or one that a gateway works for. */
export type Program = {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly workingDirectory: string;
  readonly pid: number;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Asks for a line on its terminal. */
  readonly askLine: typeof askLine;
  /** Hears the signals that end it, until what comes back is called. */
  readonly onSignal: (hear: (signal: EndingSignal) => void) => () => void;
  /** As a terminal does where nothing reads its keys: whoever runs the command hears it. */
  readonly interrupt: () => void;
  readonly setExitCode: (code: number) => void;
  /** What is open already, in a gateway. */
  readonly warm?: Warm;
};

/** This process. */
export const thisProgram = (): Program => ({
  argv: process.argv.slice(2),
  environment: process.env,
  workingDirectory: process.cwd(),
  pid: process.pid,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  askLine,
  onSignal(hear) {
    for (const signal of endingSignals) process.on(signal, hear);
    return () => {
      for (const signal of endingSignals) process.off(signal, hear);
    };
  },
  interrupt: () => void process.kill(process.pid, 'SIGINT'),
  setExitCode(code) {
    process.exitCode = code;
  },
});
