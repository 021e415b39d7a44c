import type { DesiredServer, Env } from '../../model/desired.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { formatSpec } from '../fields/format.ts';
import { type LoadedServer, loadDocuments } from '../load.ts';

/** A spec that did not come from a file: what its rules say to it. */
type RuleCheck =
  | { readonly allowed: true; readonly server: LoadedServer }
  | { readonly allowed: false; readonly why: readonly string[] };

const environmentOf = (env: Env): Record<string, string> =>
  Object.fromEntries(
    Object.values(env).flatMap((value) =>
      value.kind === 'literal'
        ? []
        : value.parts.flatMap((part) =>
            typeof part === 'string' || part.from !== 'environment' ? [] : [[part.name, 'looked up later']],
          ),
    ),
  );

/** Without what a file cannot say word by word: the values of variables, which no rule is about. */
function compared({ environment, mcp: { env, envFrom, ...mcp }, ...spec }: DesiredServer): string {
  return canonicalJson({
    ...spec,
    environment: Object.keys(environment).sort(),
    mcp: { ...mcp, env: Object.keys(env).sort(), envFrom: [...envFrom].sort() },
  });
}

/** Holds a spec against the rules of files by writing it as one and reading that: there is no second set of rules. */
export function checkRules(spec: DesiredServer): RuleCheck {
  const environment = { ...environmentOf(spec.environment), ...environmentOf(spec.mcp.env) };
  for (const name of spec.mcp.envFrom) environment[name] = 'looked up later';
  const file = { file: '-', directory: '/', text: formatSpec(spec) };
  const { servers, diagnostics } = loadDocuments([file], { environment, strict: false });
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const [server] = servers;
  if (errors.length > 0 || server === undefined) {
    return { allowed: false, why: errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)) };
  }
  if (compared(server.spec) !== compared(spec)) return { allowed: false, why: ['it says what no spec file can say'] };
  return { allowed: true, server };
}
