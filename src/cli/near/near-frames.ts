import type { Program } from '../terminal/program.ts';
/** `looms mcp …` that a gateway can do with the sessions that it holds. */
export const nearNames = ['call', 'tools', 'read', 'health', 'resources', 'prompts', 'prompt'] as const;

/**
 * What a program of this machine and the gateway that works for it say to one another over the gateway's socket: frames of
 * one letter, the length of what follows (4 bytes, big-endian) and that. `go` and everything before it is a promise that
 * nothing was done yet.
 */
export const kinds = {
  /** To the gateway: the command, as JSON. */
  command: 'c',
  /** To the gateway: do it. Whoever has said so never does it otherwise. */
  go: 'g',
  signal: 's',
  input: 'i',
  inputEnd: 'e',
  /** The answer to `ask`, as JSON. */
  typed: 't',
  /** From the gateway: it would do it, and waits for `go`. */
  ready: 'r',
  /** From the gateway: it is not for this one; nothing was done. */
  declined: 'd',
  stdout: '1',
  stderr: '2',
  wantInput: 'w',
  /** From the gateway: a line is asked for on the terminal, as JSON; an empty one takes that back. */
  ask: 'a',
  /** From the gateway: the exit code, as text; nothing comes after it. */
  exit: 'x',
} as const;

export type Kind = (typeof kinds)[keyof typeof kinds];

/** A command as its program gives it. */
export type NearCommand = Pick<Program, 'argv' | 'environment' | 'workingDirectory' | 'pid'> & {
  readonly version: string;
  /** What of this process decides which files it reaches and how it makes them. */
  readonly view: string;
  readonly isTerminal: readonly [stdin: boolean, stdout: boolean, stderr: boolean];
  /** Columns and rows of stdout and of stderr. */
  readonly size: readonly (number | undefined)[];
};

const headBytes = 5;

export function frameOf(kind: Kind, content: string | Uint8Array = ''): Buffer {
  const body = Buffer.from(content);
  const frame = Buffer.allocUnsafe(headBytes + body.length);
  frame.write(kind, 0, 'latin1');
  frame.writeUInt32BE(body.length, 1);
  body.copy(frame, headBytes);
  return frame;
}

/** What is done with frames, by their kind; one that nobody waits for goes to `else`, or is left out. */
export type FrameTakers = { readonly [kind in Kind | 'else']?: (content: Buffer) => void };

/** Takes what comes in any pieces, and hands on each frame to those who take it then. */
export function frameReader(takers: FrameTakers | (() => FrameTakers)): (piece: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (piece) => {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    while (rest.length >= headBytes) {
      const end = headBytes + rest.readUInt32BE(1);
      if (rest.length < end) return;
      const frame = rest;
      rest = rest.subarray(end);
      const by = typeof takers === 'function' ? takers() : takers;
      const kind = frame.toString('latin1', 0, 1) as Kind;
      (by[kind] ?? by.else)?.(frame.subarray(headBytes, end));
    }
  };
}
