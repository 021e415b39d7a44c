import { parse, resolve } from 'node:path';
import type { SecretRef } from '../model/desired.ts';
import { type CallRule, type NamedToken, ownName, type ServeSettings, usualNames } from '../model/serve-settings.ts';
import { isDay } from '../model/times.ts';
import { defined } from '../model/values/defined.ts';
import type { ProjectInput } from './generated/validators.mjs';
import type { Reader } from './read/reader.ts';
import type { Located } from './read/settings.ts';
import { childPath } from './read/tree.ts';

type ServeInput = NonNullable<ProjectInput['serve']>;

/** Why an expression of a policy cannot be used, and what to write instead. */
export type ExpressionProblem = { readonly message: string; readonly hint?: string };

/** Where the token of a client may stand: nowhere but in a store of secrets. */
export const isTokenSecret = (path: string): boolean => /^serve\.tokens\[\d+\]\.secret$/.test(path);

/** The `serve` block of a `looms.yaml`; paths absolute. Expressions are looked at where something is given that can. */
export function serveSettingsOf(
  { reader, lineOf }: Located,
  file: string,
  input: ServeInput,
  checkExpression: (expression: string) => ExpressionProblem | undefined,
): ServeSettings {
  const { aggregate, sessions, oidc, limits } = input;
  const insecure = (path: string, url: string | undefined): void => {
    if (url === undefined || !url.startsWith('http:') || isLocal(url)) return;
    reader.report({
      code: 'insecure-address',
      path,
      message: 'over http:// tokens could be read on the way',
      hint: 'https://, or an address of this machine (http://127.0.0.1)',
    });
  };
  insecure('serve.public_url', input.public_url);
  insecure('serve.oidc.issuer', oidc?.issuer);
  if (input.token_file !== undefined && parse(input.token_file).name === ownName) {
    reader.report({
      code: 'invalid-value',
      path: 'serve.token_file',
      message: `its bearer would be called ${ownName}, which is whoever comes by the socket`,
      hint: 'give the file another name: its bearer has the same one, without ending',
    });
  }
  return {
    ...defined({ listen: input.listen, publicUrl: input.public_url }),
    ...(input.telemetry?.endpoint === undefined ? {} : { telemetry: { endpoint: input.telemetry.endpoint } }),
    ...(input.token_file === undefined ? {} : { tokenFile: resolve(reader.directory, input.token_file) }),
    aggregate: {
      separator: aggregate?.separator ?? usualNames.separator,
      maxName: aggregate?.max_name ?? usualNames.maxName,
    },
    sessions: defined({
      idleSeconds: sessions?.idle_seconds,
      max: sessions?.max,
      maxPerPrincipal: sessions?.max_per_principal,
    }),
    tokens: tokensOf(reader, input),
    ...(oidc?.issuer === undefined || oidc.audience === undefined
      ? {}
      : {
          oidc: {
            issuer: oidc.issuer,
            audience: oidc.audience,
            groupsClaim: oidc.groups_claim ?? 'groups',
            allow: oidc.allow ?? [],
          },
        }),
    policy: (input.policy ?? []).flatMap((rule, index) =>
      ruleOf({ reader, lineOf }, file, childPath('serve.policy', index), rule, checkExpression),
    ),
    limits: defined({
      callsPerMinute: limits?.calls_per_minute,
      inFlight: limits?.in_flight,
      bodyMiB: limits?.body_mb,
    }),
    scan: input.scan ?? 'off',
  };
}

const isLocal = (url: string): boolean =>
  /^http:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:\/|$)/i.test(url);

function tokensOf(reader: Reader, { tokens = [] }: ServeInput): readonly NamedToken[] {
  const seen = new Map<string, string>();
  return tokens.flatMap(({ name, allow, expires }, index) => {
    const path = childPath('serve.tokens', index);
    const secret = secretOf(reader, `${path}.secret`);
    if (expires !== undefined && !isDay(expires)) {
      reader.report({
        code: 'invalid-value',
        path: `${path}.expires`,
        message: `expires: ${expires} is no day of the calendar`,
      });
    }
    if (name === undefined || allow === undefined || secret === undefined) return [];
    const before = seen.get(name);
    if (before !== undefined) {
      reader.report({
        code: 'conflict',
        path: `${path}.name`,
        message: `there are two tokens called ${name}`,
        hint: 'the audit trail tells clients by these names: give each its own',
        related: [{ path: before, message: 'the first is here' }],
      });
    }
    seen.set(name, before ?? `${path}.name`);
    return [{ name, secret, allow, ...(expires === undefined ? {} : { expires }) }];
  });
}

function secretOf(reader: Reader, path: string): SecretRef | undefined {
  const written = reader.variable(path);
  if (written === undefined) return undefined;
  const [part, ...more] = written.kind === 'secret' ? written.parts : [];
  if (part !== undefined && typeof part !== 'string' && more.length === 0) return part;
  reader.report({
    code: 'invalid-value',
    path,
    message: 'secret: the token itself must not stand in this file, alone or with more around it',
    hint: 'write ${secret:NAME}, and `looms config set-key NAME`',
  });
  return undefined;
}

function ruleOf(
  { reader, lineOf }: Pick<Located, 'reader' | 'lineOf'>,
  file: string,
  path: string,
  { deny, allow }: NonNullable<ServeInput['policy']>[number],
  checkExpression: (expression: string) => ExpressionProblem | undefined,
): readonly CallRule[] {
  const expression = deny ?? allow;
  if (expression === undefined || (deny !== undefined && allow !== undefined)) {
    reader.report({ code: 'conflict', path, message: 'a rule has one of deny and allow' });
    return [];
  }
  const effect = deny === undefined ? 'allow' : 'deny';
  const problem = checkExpression(expression);
  if (problem !== undefined) {
    const { message, hint } = problem;
    reader.report({
      code: 'invalid-value',
      path: `${path}.${effect}`,
      message,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return [{ effect, expression, file, line: lineOf(`${path}.${effect}`) }];
}
