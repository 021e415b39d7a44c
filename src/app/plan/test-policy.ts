import { type Diagnostic, hasErrors, type SourceText } from '../../model/diagnostics.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Policies } from '../../model/policy.ts';
import { type ExpectedBreach, expectedBreaches } from '../../spec/check/expected-breaches.ts';
import { checkPolicy, keyOf, sourceOf } from '../../spec/check/policy.ts';
import { loadDocuments } from '../../spec/load.ts';
import { sortDiagnostics } from '../../spec/read/findings.ts';
import type { Ports } from '../ports.ts';
import { readSpecFiles } from './spec-files.ts';

type FoundBreach = ExpectedBreach & {
  readonly message: string;
  /** The file and line of the rule; absent for what looms says by itself. */
  readonly from?: string;
};

/** What policies say of one spec, beside what the spec expects of them. */
export type PolicyExample = {
  readonly server: string;
  readonly file: string;
  readonly line: number;
  readonly passed: boolean;
  /** Breaches that were expected and found. */
  readonly broken: readonly FoundBreach[];
  readonly missing: readonly ExpectedBreach[];
  readonly unexpected: readonly FoundBreach[];
};

export type PolicyTest = {
  readonly passed: boolean;
  /** In the order of files and documents. */
  readonly examples: readonly PolicyExample[];
};

type Tested = PolicyTest | { readonly diagnostics: readonly Diagnostic[]; readonly texts: readonly SourceText[] };

/**
 * Holds example specs against policies and compares what those say with the `x-breaches` of each spec. Nothing is looked
 * at but the files: no engine, no host path, no image. Gives the findings instead where an example is no sound spec.
 * Throws `file-not-found`.
 */
export async function testPolicies(
  ports: Ports,
  {
    paths,
    policies,
    project,
  }: { readonly paths: readonly string[]; readonly policies: Policies; readonly project: ProjectName },
): Promise<Tested> {
  const files = await readSpecFiles(ports, paths);
  const loaded = loadDocuments(files, { environment: ports.environment, strict: false });
  const expected = new Map(files.map((file) => [file.file, expectedBreaches(file)] as const));
  const diagnostics = [...loaded.diagnostics, ...[...expected.values()].flatMap((one) => one.diagnostics)];
  if (hasErrors(diagnostics)) {
    const names = files.map(({ file }) => file);
    return { diagnostics: sortDiagnostics(diagnostics, names), texts: files };
  }
  const at = { project, now: ports.now() };
  const examples = loaded.servers.map((server): PolicyExample => {
    const { file, line } = server.source;
    const wanted = expected.get(file)?.byLine.get(line) ?? [];
    const found = checkPolicy([server], policies, at).flatMap((breach): readonly FoundBreach[] => {
      const { severity, message, rule } = breach;
      const from = sourceOf(breach);
      if (severity === 'note') return [];
      return [{ rule: keyOf(rule), severity, message, ...(from === undefined ? {} : { from }) }];
    });
    const same = (one: ExpectedBreach, other: ExpectedBreach): boolean =>
      one.rule === other.rule && one.severity === other.severity;
    const missing = wanted.filter((one) => !found.some((other) => same(one, other)));
    const unexpected = found.filter((one) => !wanted.some((other) => same(one, other)));
    const broken = found.filter((one) => !unexpected.includes(one));
    const passed = missing.length + unexpected.length === 0;
    return { server: server.spec.name, file, line, passed, broken, missing, unexpected };
  });
  return { passed: examples.every(({ passed }) => passed), examples };
}
