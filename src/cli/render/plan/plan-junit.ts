import type { Source } from '../../../model/desired.ts';
import type { Plan } from '../../../model/plan.ts';
import { visibleLines } from '../text.ts';
import { planFindings } from './plan-findings.ts';

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
/** Text between tags. */
export const xml = (text: string): string =>
  visibleLines(text)
    .replace(/[&<>"']/g, (character) => escapes[character] ?? character)
    .replace(/[\ud800-\udfff\ufffe\uffff]/gu, '\ufffd');
/** Line breaks in an attribute are read as spaces unless they are references. */
export const attribute = (text: string): string => xml(text).replaceAll('\n', '&#10;').replaceAll('\t', '&#9;');

/** A plan as a JUnit report: one test case a server, failed when it is not as declared. */
export function renderJunit(plan: Plan, sources: ReadonlyMap<string, Source>): string {
  const findings = new Map(planFindings(plan, sources).map((finding) => [finding.server, finding]));
  const suite = attribute(`looms.${plan.project}`);
  const cases = plan.changes.flatMap(({ server }) => {
    const finding = findings.get(server);
    const file = sources.get(server)?.file;
    const open = `    <testcase classname="${suite}" name="${attribute(server)}"${file === undefined ? '' : ` file="${attribute(file)}"`} time="0"`;
    if (finding === undefined) return [`${open}/>`];
    const type = finding.drifted ? 'drift' : finding.action;
    return [
      `${open}>`,
      `      <failure type="${type}" message="${attribute(finding.text)}">${xml(finding.details)}</failure>`,
      '    </testcase>',
    ];
  });
  return junitReport(suite, { tests: plan.changes.length, failures: findings.size }, cases);
}

/** A report of one suite with these lines of test cases. */
export function junitReport(
  suite: string,
  { tests, failures }: { readonly tests: number; readonly failures: number },
  cases: readonly string[],
): string {
  const counts = `tests="${tests}" failures="${failures}" errors="0"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="looms" ${counts}>`,
    `  <testsuite name="${suite}" ${counts} skipped="0" time="0">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
  ].join('\n');
}
