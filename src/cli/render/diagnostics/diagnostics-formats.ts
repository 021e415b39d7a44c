import { type Diagnostic, hasErrors } from '../../../model/diagnostics.ts';
import { assertNever } from '../../../model/errors.ts';
import { type ReportFormat, reportFormats } from '../../command-line/output-format.ts';
import { attribute, junitReport, xml } from '../plan/plan-junit.ts';
import { cell, code } from '../plan/plan-markdown.ts';
import { sarifLocations, sarifLog } from '../plan/plan-sarif.ts';
import { shownFile, visible } from '../text.ts';
import { countDiagnostics, describeDiagnostic } from './diagnostics.ts';
import { diagnosticCommand } from './github-commands.ts';

/** Forms in which reports for machines want what is wrong with specs; JSON is the findings themselves. */
type FindingFormat = Exclude<ReportFormat, 'text' | 'json'>;

export const isFindingFormat = (text: string | undefined): text is FindingFormat =>
  text !== 'text' && text !== 'json' && reportFormats.some((format) => format === text);

const place = ({ position: { file, line, column } }: Diagnostic): string =>
  `${visible(shownFile(file))}:${line}:${column}`;

/** Findings about specs in the form that `diff -o` was asked for, so that they reach the page that the plan would. */
export function renderFindingsAs(format: FindingFormat, diagnostics: readonly Diagnostic[]): string {
  switch (format) {
    case 'markdown':
      return markdown(diagnostics);
    case 'junit':
      return junit(diagnostics);
    case 'sarif':
      return sarif(diagnostics);
    case 'github':
      return diagnostics.map(diagnosticCommand).join('\n');
    default:
      return assertNever(format);
  }
}

function junit(diagnostics: readonly Diagnostic[]): string {
  const failures = diagnostics.filter(({ severity }) => severity === 'error').length;
  const cases = diagnostics.flatMap((one) => {
    const open = `    <testcase classname="looms.specs" name="${attribute(`${place(one)} ${one.code}`)}" file="${attribute(shownFile(one.position.file))}" line="${one.position.line}" time="0">`;
    const body =
      one.severity === 'error'
        ? `      <failure type="${attribute(one.code)}" message="${attribute(one.message)}">${xml(`${place(one)}\n${describeDiagnostic(one)}`)}</failure>`
        : `      <system-out>${xml(`${one.severity}: ${describeDiagnostic(one)}`)}</system-out>`;
    return [open, body, '    </testcase>'];
  });
  return junitReport('looms.specs', { tests: diagnostics.length, failures }, cases);
}

function sarif(diagnostics: readonly Diagnostic[]): string {
  const ids = [...new Set(diagnostics.map((one) => one.code))].sort();
  const results = diagnostics.map((one) => {
    const { file, line, column } = one.position;
    const region = { startLine: line, startColumn: column, endColumn: column + Math.max(1, one.length) };
    return {
      ruleId: one.code,
      ruleIndex: ids.indexOf(one.code),
      level: one.severity,
      message: { text: describeDiagnostic(one) },
      ...sarifLocations(file, region),
      // The same finding in the next run is the same alert, also when lines above it were added.
      partialFingerprints: { 'looms/v1': `${file}/${one.path}/${one.code}` },
    };
  });
  return sarifLog(
    ids.map((id) => ({ id, shortDescription: { text: id.replaceAll('-', ' ') } })),
    results,
  );
}

function markdown(diagnostics: readonly Diagnostic[]): string {
  return [
    `### looms: the specs ${hasErrors(diagnostics) ? 'cannot' : 'can'} be used`,
    '',
    ...(diagnostics.length === 0 ? ['Nothing was found in them.'] : findingTable(diagnostics)),
  ].join('\n');
}

function findingTable(diagnostics: readonly Diagnostic[]): string[] {
  return [
    '| | place | field | |',
    '|---|---|---|---|',
    ...diagnostics.map((one) => {
      const hint = one.hint === undefined ? '' : `<br>hint: ${cell(one.hint)}`;
      return `| ${one.severity} | ${code(place(one))} | ${one.path === '' ? '' : code(one.path)} | ${cell(one.message)}${hint} |`;
    }),
    '',
    countDiagnostics(diagnostics),
  ];
}
