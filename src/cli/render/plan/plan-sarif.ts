import type { Source } from '../../../model/desired.ts';
import type { Plan } from '../../../model/plan.ts';
import { seenJson } from '../../../model/values/unseen.ts';
import { type PlanFinding, planFindings } from './plan-findings.ts';

/** The kinds of finding, as SARIF wants them: a closed list of rules. */
const planRules = [
  { id: 'drift', level: 'error', text: 'The server was changed outside looms.' },
  { id: 'blocked', level: 'error', text: 'Something that looms did not make is in the way.' },
  { id: 'out-of-date', level: 'warning', text: 'The server is not as its spec declares.' },
  { id: 'missing', level: 'warning', text: 'The server is declared and does not run.' },
  { id: 'undeclared', level: 'warning', text: 'The server runs and is not declared.' },
] as const;

function ruleOf({ action, drifted }: PlanFinding): (typeof planRules)[number]['id'] {
  if (action === 'blocked') return 'blocked';
  if (drifted) return 'drift';
  if (action === 'create') return 'missing';
  return action === 'remove' ? 'undeclared' : 'out-of-date';
}

/** A path as the URI that SARIF wants: relative to the checkout, or absolute with its scheme. */
const uriOf = (file: string): string => {
  const path = file.replaceAll('\\', '/').split('/').map(encodeURIComponent).join('/');
  return path.startsWith('/') ? `file://${path}` : path.replace(/^(\.\/)+/, '');
};

/** Where a finding is shown. GitHub refuses a log for a result without a place, so there is one: a file's beginning. */
export const sarifLocations = (file: string, region: { readonly startLine: number }): object => ({
  locations: [{ physicalLocation: { artifactLocation: { uri: file === '-' ? 'stdin' : uriOf(file) }, region } }],
});

/** A plan as SARIF 2.1.0, for code-scanning pages: one result a server that is not as declared, at its document. */
export function renderSarif(plan: Plan, sources: ReadonlyMap<string, Source>): string {
  // A server that runs and is in no file is missing from those that are there.
  const elsewhere = [...sources.values()][0]?.file ?? 'looms.yaml';
  const results = planFindings(plan, sources).map((finding) => {
    const ruleId = ruleOf(finding);
    const { source } = finding;
    return {
      ruleId,
      ruleIndex: planRules.findIndex((rule) => rule.id === ruleId),
      level: planRules.find((rule) => rule.id === ruleId)?.level ?? 'warning',
      message: { text: `${finding.server}: ${finding.details}` },
      ...sarifLocations(source?.file ?? elsewhere, { startLine: source?.line ?? 1 }),
      // The same finding in the next run is the same alert.
      partialFingerprints: { 'looms/v1': `${plan.project}/${finding.server}/${ruleId}` },
    };
  });
  return sarifLog(
    planRules.map(({ id, level, text }) => ({ id, shortDescription: { text }, defaultConfiguration: { level } })),
    results,
  );
}

/** A log of one run. */
export const sarifLog = (rules: readonly object[], results: readonly object[]): string =>
  seenJson(
    JSON.stringify(
      {
        $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
        version: '2.1.0',
        runs: [{ tool: { driver: { name: 'looms', rules } }, results }],
      },
      null,
      2,
    ),
  );
