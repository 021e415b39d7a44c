import type { DesiredServer, Env, EnvValue, SecretRef } from '../desired.ts';
import { LoomsError } from '../errors.ts';

/** What a secret may be called: it becomes part of a variable's name and a file's name. */
export const secretNamePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** The variable that holds a secret: `teradata.uri-2` is `LOOMS_SECRET_TERADATA_URI_2`. */
export const secretVariable = (name: string): string =>
  `LOOMS_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/** The name of a secret, and the store that it is in. */
export type StoredKey = { readonly name: string; readonly store: string };

/** A secret, and the store that it was found in. */
export type FoundKey = StoredKey & { readonly value: string };

/** The name of a secret, and the store that it comes from. */
export type ListedKey = StoredKey & {
  /** Stores that have the name as well, and are asked later, if at all. */
  readonly alsoIn: readonly string[];
};

export type ListedKeys = {
  readonly keys: readonly ListedKey[];
  /** Stores whose names are not known, each with why. */
  readonly unlisted: readonly { readonly store: string; readonly why: string }[];
};

/** A reference as a spec writes it: `${secret:name}`, `${NAME}`. */
export const writtenRef = ({ from, name }: SecretRef): string =>
  from === 'provider' ? `\${secret:${name}}` : `\${${name}}`;

/** A value as a spec writes it, with references in place of secrets. */
export const writtenValue = (value: EnvValue | undefined): string => {
  if (value === undefined) return '';
  if (value.kind === 'literal') return value.value;
  return value.parts.map((part) => (typeof part === 'string' ? part : writtenRef(part))).join('');
};

/** All variables that reach a server's process besides those in its container's config; `env_from` wins. */
export function processEnv({ environment, mcp }: Pick<DesiredServer, 'environment' | 'mcp'>): Env {
  const secretsOfContainer = Object.entries(environment).filter(([, value]) => value.kind === 'secret');
  const fromEnvironment = mcp.envFrom.map(
    (name) => [name, { kind: 'secret', parts: [{ from: 'environment', name }] }] as const,
  );
  return Object.fromEntries([...secretsOfContainer, ...Object.entries(mcp.env), ...fromEnvironment]);
}

/** A variable that holds a secret, and what it is looked up by when a session starts. */
export type SecretUse = { readonly variable: string; readonly refs: readonly SecretRef[] };

/** The variables of a server's process that hold secrets, by name. */
export const secretUses = (spec: Pick<DesiredServer, 'environment' | 'mcp'>): readonly SecretUse[] =>
  Object.entries(processEnv(spec))
    .flatMap(([variable, value]) =>
      value.kind === 'secret' ? [{ variable, refs: value.parts.filter((part) => typeof part !== 'string') }] : [],
    )
    .sort((a, b) => (a.variable < b.variable ? -1 : 1));

/** Throws `usage` for a name that no spec could refer to. */
export function requireSecretName(name: string): void {
  if (secretNamePattern.test(name)) return;
  throw new LoomsError('usage', `${JSON.stringify(name)} cannot be the name of a secret`, {
    hint: 'at most 128 letters, digits, ".", "_" and "-", beginning with a letter or digit',
  });
}
