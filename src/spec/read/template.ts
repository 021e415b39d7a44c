import type { SecretRef } from '../../model/desired.ts';
import { type Surroundings, surroundingsReach } from '../../model/secrets/credentials.ts';
import { secretNamePattern } from '../../model/secrets/secret-names.ts';

/** Something wrong with a placeholder; `index` and `length` are in the text that was read. */
type TemplateProblem = {
  readonly code: 'variable-missing' | 'variable-syntax' | 'secret-not-here';
  readonly index: number;
  readonly length: number;
  readonly message: string;
  readonly hint: string;
};

export type TemplateRules = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether `${secret:…}` may stand here: only in the environments of a server. */
  readonly secrets: boolean;
  /** Whether `${NAME}` stays a reference instead of becoming its value: where it is a credential. */
  readonly keepReference: (variable: string, around: Surroundings) => boolean;
};

type Resolved = {
  /** Neighbouring texts are joined; empty texts are left out. */
  readonly parts: readonly (string | SecretRef)[];
  /** Names of the variables that were used. */
  readonly names: readonly string[];
  /** Those whose values became text without `${plain:…}` saying that it may be. */
  readonly readable: readonly string[];
  /** Whether `${plain:…}` says that what it names may be read. */
  readonly plain: boolean;
  readonly problems: readonly TemplateProblem[];
};

const variableName = /^[A-Za-z_][A-Za-z0-9_]*/;

/**
 * Reads `${NAME}`, `${plain:NAME}`, `${NAME:-default}`, `${NAME:?message}`, `${secret:name}` and `$${` once, from left to right; what
 * comes out is never read again (docs/spec.md, "Variables and secrets"). A default ends at the first `}`.
 */
export function resolveTemplate(text: string, rules: TemplateRules): Resolved {
  const parts: (string | SecretRef)[] = [];
  const names: string[] = [];
  const readable: string[] = [];
  let plain = false;
  const problems: TemplateProblem[] = [];
  const push = (part: string | SecretRef): void => {
    const last = parts.at(-1);
    if (part === '') return;
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part;
    else parts.push(part);
  };

  let at = 0;
  while (at < text.length) {
    const next = text.indexOf('${', at);
    if (next === -1) {
      push(text.slice(at));
      break;
    }
    if (next > at && text[next - 1] === '$') {
      push(`${text.slice(at, next - 1)}\${`);
      at = next + 2;
      continue;
    }
    push(text.slice(at, next));
    const close = text.indexOf('}', next);
    const end = close === -1 ? text.length : close + 1;
    const around = {
      before: withoutReferences(text.slice(Math.max(0, next - writtenReach), next)),
      after: withoutReferences(text.slice(end, end + writtenReach)),
    };
    plain ||= text.startsWith('plain:', next + 2);
    const outcome = placeholder(close === -1 ? undefined : text.slice(next + 2, close), rules, names, around);
    if ('part' in outcome) {
      push(outcome.part);
      if (outcome.readable !== undefined) readable.push(outcome.readable);
    } else problems.push({ ...outcome, index: next, length: end - next });
    at = end;
  }
  return { parts, names, readable, plain, problems };
}

/** Of the text as it is written, whose references are longer than the letter that stands for them. */
const writtenReach = 4 * surroundingsReach;

const withoutReferences = (text: string): string => text.replaceAll(/\$\{[^}]*\}/g, 'x');

type Outcome =
  | { readonly part: string | SecretRef; readonly readable?: string }
  | Omit<TemplateProblem, 'index' | 'length'>;

function placeholder(
  written: string | undefined,
  rules: TemplateRules,
  names: string[],
  around: Surroundings,
): Outcome {
  if (written === undefined) return syntax('${ is never closed');
  const plain = written.startsWith('plain:');
  const inner = plain ? written.slice('plain:'.length) : written;
  if (!plain && inner.startsWith('secret:')) {
    const name = inner.slice('secret:'.length);
    if (!secretNamePattern.test(name)) return syntax(`\${${inner}} does not name a secret`);
    if (!rules.secrets) {
      return {
        code: 'secret-not-here',
        message: `\${${inner}} stands outside of env and environment`,
        hint: 'hand the secret to the process as a variable: mcp_server.env',
      };
    }
    return { part: { from: 'provider', name } };
  }
  const meant = /^secrets?\s*[.:]\s*(.*)$/i.exec(inner)?.[1];
  if (meant !== undefined) {
    const name = secretNamePattern.test(meant) ? meant : 'NAME';
    return { ...syntax(`\${${inner}} is not a variable`), hint: `did you mean \${secret:${name}}?` };
  }
  const name = variableName.exec(inner)?.[0];
  if (name === undefined) return syntax(`\${${inner}} is not a variable`);
  const rest = inner.slice(name.length);
  const operator = rest.slice(0, 2);
  if (rest !== '' && operator !== ':-' && operator !== ':?') {
    return syntax(`\${${inner}} is not one of \${NAME}, \${NAME:-default}, \${NAME:?message}, \${secret:NAME}`);
  }
  if (!plain) names.push(name);
  const value = Object.hasOwn(rules.environment, name) ? rules.environment[name] : undefined;
  if (operator === ':-' && (value === undefined || value === '')) return { part: rest.slice(2) };
  if (operator === ':?' && (value === undefined || value === '')) {
    const message = rest.slice(2).trim();
    return {
      code: 'variable-missing',
      message: `variable ${name} is not set${message === '' ? '' : `: ${message}`}`,
      hint: `set ${name} in the environment of looms`,
    };
  }
  if (!plain && rules.keepReference(name, around)) return { part: { from: 'environment', name } };
  if (value === undefined) {
    return {
      code: 'variable-missing',
      message: `variable ${name} is not set`,
      hint: `set ${name} in the environment of looms, give a default with \${${name}:-value}, or write $\${${name}} for the text itself`,
    };
  }
  return plain ? { part: value } : { part: value, readable: name };
}

const syntax = (message: string): Outcome => ({
  code: 'variable-syntax',
  message,
  hint: 'write $${ for a literal ${',
});

/** Writes a literal so that `resolveTemplate` gives it back: the inverse for texts without references. */
export const escapeTemplate = (text: string): string => text.replaceAll('${', () => '$${');
