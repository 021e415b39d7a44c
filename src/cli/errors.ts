import type { Diagnostic, SourceText } from '../model/diagnostics.ts';
import { LoomsError } from '../model/errors.ts';

/** A spec that cannot be used; carries its findings so that the command line shows them with code frames. */
export class SpecError extends LoomsError {
  readonly diagnostics: readonly Diagnostic[];
  /** The files that the findings point into. */
  readonly texts: readonly SourceText[];

  constructor(
    message: string,
    diagnostics: readonly Diagnostic[],
    texts: readonly SourceText[],
    code: 'spec-invalid' | 'refused' = 'spec-invalid',
  ) {
    super(code, message);
    this.diagnostics = diagnostics;
    this.texts = texts;
  }
}

/** Signals that ask the program to end: Ctrl-C, a service manager, and a terminal or connection that is gone. */
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndingSignal = (typeof endingSignals)[number];

/** The work was stopped by a signal, which decides the exit code. */
export class InterruptedError extends LoomsError {
  readonly signal: EndingSignal;

  constructor(signal: EndingSignal, cause: unknown) {
    super('interrupted', `interrupted by ${signal === 'SIGINT' ? 'Ctrl-C' : signal}`, { cause });
    this.signal = signal;
  }
}
