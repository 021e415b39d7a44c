import type { Diagnostic } from '../model/diagnostics.ts';
import { LoomsError } from '../model/errors.ts';
import type { Failure } from '../model/events.ts';
import { failureOf, messageOf } from '../model/failure.ts';
import { flagValue, flagWords, outputFormat } from './command-line/output-format.ts';
import { InterruptedError, SpecError } from './errors.ts';
import { exitCodeOfError, exitCodeOfSignal } from './exit-codes.ts';
import { renderDiagnostics } from './render/diagnostics/diagnostics.ts';
import { isFindingFormat, renderFindingsAs } from './render/diagnostics/diagnostics-formats.ts';
import { errorJson, renderFailure } from './render/error.ts';
import { onlyOurs, visibleBlock } from './render/text.ts';
import { checkoutPaths, diagnosticsIn, publishReport } from './run/publish-report.ts';
import { palette, wantsColor } from './terminal/palette.ts';
import type { Program } from './terminal/program.ts';
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
 * it. Findings about specs go where the answer would have gone in the form that was asked for: to stdout (`diff -o github`)
 * or to `--output-file`, and to the page of a GitHub step.
 * The command line is read for flags even where it could not be parsed; `redact` masks secrets.
 */
export async function reportError(error: unknown, program: Program, redact: (text: string) => string): Promise<number> {
  const { argv, environment, stdout, stderr } = program;
  const failure = failureFrom(error, argv);
  const code = error instanceof InterruptedError ? exitCodeOfSignal(error.signal) : exitCodeOfError(failure.code);
  const format = outputFormat(argv);
  const file = flagValue(argv, ['--output-file']);
  const unpublished =
    error instanceof SpecError ? await publishFindings(error, program, { failure, code, format, file, redact }) : [];
  // With --output-file the form is that file's, and text is printed; --json is the form of all that is printed.
  if (hasFlag(argv, '--json') || (format === 'json' && file === undefined)) {
    const more = error instanceof SpecError ? { diagnostics: error.diagnostics } : jsonRpcOf(error);
    const objects = [errorJson(failure, code, more), ...unpublished.map((one) => errorJson(one, code))];
    stderr.write(`${redact(objects.join('\n'))}\n`);
    return code;
  }
  const refused = hasFlag(argv, '--no-color');
  const colored = wantsColor({ refused, environment, isTerminal: stderr.isTTY === true });
  const asReport = isFindingFormat(format) && file === undefined;
  if (error instanceof SpecError && asReport) {
    stdout.write(`${redact(renderFindingsAs(format, shownAs(error, program)))}\n`);
  }
  const findings =
    error instanceof SpecError && !asReport
      ? renderDiagnostics(error.diagnostics, error.texts, {
          palette: palette(colored),
          width: stderr.columns ?? 100,
        })
      : '';
  const lines = [
    ...(findings === '' ? [] : [findings, '']),
    renderFailure(failure, palette(colored)),
    ...unpublished.map((one) => renderFailure(one, palette(colored))),
    ...(hasFlag(argv, '--verbose') ? causes(error).map((cause) => `caused by: ${visibleBlock(cause)}`) : []),
    ...(environment.LOOMS_DEBUG && error instanceof Error ? [error.stack ?? ''] : []),
  ];
  stderr.write(`${redact(onlyOurs(lines.join('\n')))}\n`);
  return code;
}

const jsonRpcOf = (error: unknown) =>
  error instanceof LoomsError && error.about?.kind === 'json-rpc' ? { jsonRpc: error.about.answer } : {};

/** Findings with their files named as the pages that show reports name them. */
const shownAs = ({ diagnostics }: SpecError, place: Program): readonly Diagnostic[] =>
  diagnosticsIn(diagnostics, checkoutPaths(place));

/** Findings in a file and on the page of a GitHub step; returns why they are not there, which must not hide the findings. */
async function publishFindings(
  error: SpecError,
  program: Program,
  wanted: {
    readonly failure: Failure;
    readonly code: number;
    readonly format: string | undefined;
    readonly file: string | undefined;
    readonly redact: (text: string) => string;
  },
): Promise<readonly Failure[]> {
  const { failure, code, format, file, redact } = wanted;
  const report = (): string => {
    if (format === 'json') return errorJson(failure, code, { diagnostics: error.diagnostics });
    if (isFindingFormat(format)) return renderFindingsAs(format, shownAs(error, program));
    return renderDiagnostics(error.diagnostics, error.texts, { palette: palette(false), width: 100 });
  };
  try {
    await publishReport(program, {
      file,
      report: redact(report()),
      summary: () => redact(renderFindingsAs('markdown', shownAs(error, program))),
    });
    return [];
  } catch (reason) {
    if (reason instanceof LoomsError) return [failureOf(reason)];
    throw reason;
  }
}

function causes(error: unknown): string[] {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined) return [];
  return [messageOf(cause), ...causes(cause)];
}

/** The code with which a command asked to end, after it has said why. */
export function exitRequested(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIT' || !('oclif' in error))
    return undefined;
  const { oclif } = error;
  return typeof oclif === 'object' && oclif !== null && 'exit' in oclif && typeof oclif.exit === 'number'
    ? oclif.exit
    : undefined;
}
