import { LoomsError } from '../model/errors.ts';
import type { Failure } from '../model/events.ts';
import { failureOf, messageOf } from '../model/failure.ts';
import { InterruptedError, SpecError } from './errors.ts';
import { exitCode, exitCodeOfError } from './exit-codes.ts';
import { flagWords, outputFormat } from './output-format.ts';
import { palette, wantsColor } from './palette.ts';
import { renderDiagnostics } from './render/diagnostics.ts';
import { isFindingFormat, renderFindingsAs } from './render/diagnostics-formats.ts';
import { errorJson, renderFailure } from './render/error.ts';
import { onlyOurs, visibleBlock } from './render/text.ts';
import { isUsageError, usageFailure } from './usage.ts';

/** Whether a flag was given, also when the command line could not be parsed. */
const hasFlag = (argv: readonly string[], flag: string): boolean => flagWords(argv).includes(flag);

/** An error of ours or of the command line as data; anything else is a fault of this program. */
function failureFrom(error: unknown, argv: readonly string[]): Failure {
  if (error instanceof LoomsError) return failureOf(error);
  if (isUsageError(error)) return usageFailure(error, argv);
  return {
    code: 'internal',
    message: `unexpected: ${messageOf(error)}`,
    hint: 'this is a fault of looms: please report it together with what LOOMS_DEBUG=1 shows',
    detail: [],
  };
}

/**
 * Prints what ended the program on stderr, as text or with `--json` as one JSON object, and returns the exit code for
 * it. Findings about specs go to stdout where the answer was asked for in a form for reports (`diff -o github`).
 * `argv` is the command line, read for flags even where it could not be parsed; `redact` masks secrets.
 */
export function reportError(error: unknown, argv: readonly string[], redact: (text: string) => string): number {
  const failure = failureFrom(error, argv);
  const terminated = error instanceof InterruptedError && error.signal === 'SIGTERM';
  const code = terminated ? exitCode.terminated : exitCodeOfError(failure.code);
  const environment = process.env;
  const format = outputFormat(argv);
  if (format === 'json') {
    const diagnostics = error instanceof SpecError ? error.diagnostics : [];
    process.stderr.write(`${redact(errorJson(failure, code, diagnostics))}\n`);
    return code;
  }
  const refused = hasFlag(argv, '--no-color');
  const colored = wantsColor({ refused, environment, isTerminal: process.stderr.isTTY === true });
  const asReport = format !== undefined && isFindingFormat(format);
  if (error instanceof SpecError && asReport) {
    process.stdout.write(`${redact(renderFindingsAs(format, error.diagnostics))}\n`);
  }
  const findings =
    error instanceof SpecError && !asReport
      ? renderDiagnostics(error.diagnostics, error.texts, {
          palette: palette(colored),
          width: process.stderr.columns ?? 100,
        })
      : '';
  const lines = [
    ...(findings === '' ? [] : [findings, '']),
    renderFailure(failure, palette(colored)),
    ...(hasFlag(argv, '--verbose') ? causes(error).map((cause) => `caused by: ${visibleBlock(cause)}`) : []),
    ...(environment.LOOMS_DEBUG && error instanceof Error ? [error.stack ?? ''] : []),
  ];
  process.stderr.write(`${redact(onlyOurs(lines.join('\n')))}\n`);
  return code;
}

function causes(error: unknown): string[] {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined) return [];
  return [messageOf(cause), ...causes(cause)];
}
