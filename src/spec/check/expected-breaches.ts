import type { Diagnostic } from '../../model/diagnostics.ts';
import { policyFields } from '../../model/policy.ts';
import type { SpecFile } from '../load.ts';
import { asDiagnostic, type Finding } from '../read/findings.ts';
import { parseDocuments } from '../read/parse.ts';
import { indexLines, type Tree } from '../read/tree.ts';

/** Where a spec says which rules it is an example of: `x-breaches: { max_memory_mb: error }`. */
const expectedKey = 'x-breaches';

export type ExpectedBreach = { readonly rule: string; readonly severity: 'error' | 'warning' };

/** What the documents of a file expect, by the line that they begin in; those that expect nothing are left out. */
type Expected = {
  readonly byLine: ReadonlyMap<number, readonly ExpectedBreach[]>;
  readonly diagnostics: readonly Diagnostic[];
};

const rules = Object.values(policyFields)
  .map(({ path }) => path)
  .filter((path) => path !== 'rules' && path !== 'projects');

/** Reads what the specs of a file expect of a policy. Never throws: what is wrong with it is a diagnostic. */
export function expectedBreaches(file: SpecFile): Expected {
  const text = file.text.startsWith('\ufeff') ? file.text.slice(1) : file.text;
  const lines = indexLines(file.file, text);
  const byLine = new Map<number, readonly ExpectedBreach[]>();
  const diagnostics: Diagnostic[] = [];
  const report = (span: Tree['span'], message: string, hint: string): void => {
    const finding: Finding = { code: 'invalid-value', message, span, path: expectedKey, hint };
    diagnostics.push(asDiagnostic(lines, finding));
  };
  for (const { content } of parseDocuments(text)) {
    if (content?.kind !== 'map') continue;
    const stated = content.entries.find(({ key }) => key === expectedKey);
    if (stated === undefined) continue;
    if (stated.value.kind !== 'map') {
      report(
        stated.value.span,
        `${expectedKey}: expected rules with what a breach is`,
        'write { max_memory_mb: error }',
      );
      continue;
    }
    const found = stated.value.entries.flatMap(({ key, keySpan, value }): readonly ExpectedBreach[] => {
      if (!rules.includes(key)) {
        report(keySpan, `${expectedKey}: there is no rule ${key}`, `rules are ${rules.join(', ')}`);
        return [];
      }
      const severity = value.kind === 'scalar' ? value.text : '';
      if (severity === 'error') return [{ rule: key, severity }];
      if (severity === 'warn') return [{ rule: key, severity: 'warning' }];
      report(value.span, `${expectedKey}: a breach of ${key} is one of error, warn`, `write ${key}: error`);
      return [];
    });
    byLine.set(lines.position(content.span.start).line, found);
  }
  return { byLine, diagnostics };
}
