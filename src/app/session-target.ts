import type { Engine } from '../engine/port.ts';
import type { SessionTarget } from '../mcp/session.ts';
import type { DesiredServer, Env, SecretRef, Source } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import type { ContainerId } from '../model/ids.ts';
import { resolveArgv } from '../model/resolve-shape.ts';
import type { ImageFacts } from '../model/shape.ts';
import { argvTemplateOf } from '../reconcile/template.ts';
import type { SecretStore, UnfoundSecret } from '../secrets/provider.ts';
import { resolveEnv } from '../secrets/resolve-env.ts';

/** All variables that reach a server's process besides those in its container's config; `env_from` wins. */
export function processEnv(spec: DesiredServer): Env {
  const secretsOfContainer = Object.entries(spec.environment).filter(([, value]) => value.kind === 'secret');
  const fromEnvironment = spec.mcp.envFrom.map(
    (name) => [name, { kind: 'secret', parts: [{ from: 'environment', name }] }] as const,
  );
  return Object.fromEntries([...secretsOfContainer, ...Object.entries(spec.mcp.env), ...fromEnvironment]);
}

const shownRef = (ref: SecretRef): string =>
  ref.from === 'environment' ? `\${${ref.name}}` : `\${secret:${ref.name}}`;

export type MissingSecret = UnfoundSecret & {
  readonly server: string;
  /** Where the server is declared; absent for one that is known from its container alone. */
  readonly source?: Pick<Source, 'file' | 'line'>;
};

/** `notes (specs/a.yaml:3)`. */
const shownServer = ({ server, source }: MissingSecret): string =>
  source === undefined ? server : `${server} (${source.file === '-' ? '<stdin>' : source.file}:${source.line})`;

const variableOf = (ref: SecretRef): string =>
  ref.from === 'provider' ? `LOOMS_SECRET_${ref.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}` : ref.name;

/** How to set one: only `${secret:…}` is looked up in the store. */
const howToSet = (ref: SecretRef): string =>
  ref.from === 'provider'
    ? `\`looms config set-key ${ref.name}\` stores it here, or set the environment variable ${variableOf(ref)}`
    : `set the environment variable ${ref.name}`;

/** Who was asked for it; for a variable of looms itself the message has said all. */
const askedFor = ({ ref, tried }: UnfoundSecret): readonly string[] =>
  ref.from === 'provider' && tried.length > 0 ? [`looked for in ${tried.join(', ')}`] : [];

/** One error for all secrets that are missing, so that they can be set in one go (exit 77). */
export function missingSecrets(missing: readonly MissingSecret[]): LoomsError {
  const [first, ...rest] = missing;
  if (first !== undefined && rest.length === 0) {
    const message = `secret ${shownRef(first.ref)} of server ${shownServer(first)} is not set`;
    return new LoomsError('secret-missing', message, { detail: askedFor(first), hint: howToSet(first.ref) });
  }
  const stored = [...new Set(missing.flatMap(({ ref }) => (ref.from === 'provider' ? [ref.name] : [])))];
  const variables = [...new Set(missing.map(({ ref }) => variableOf(ref)))];
  return new LoomsError('secret-missing', `${missing.length} secrets are not set`, {
    detail: missing.map((one) => [`${shownServer(one)}: ${shownRef(one.ref)}`, ...askedFor(one)].join(', ')),
    hint: [
      ...(stored.length === 0 ? [] : [`${stored.map((name) => `\`looms config set-key ${name}\``).join(', ')}`]),
      `${stored.length === 0 ? '' : 'or '}set the environment variables ${variables.join(', ')}`,
    ].join(', '),
  });
}

/**
 * The values of a server's own variables, secrets looked up.
 * Throws `secret-missing` naming each one that no provider has.
 */
export async function sessionEnv(spec: DesiredServer, secrets: SecretStore): Promise<Readonly<Record<string, string>>> {
  const { values, missing } = await resolveEnv(processEnv(spec), secrets);
  if (missing.length > 0) throw missingSecrets(missing.map((one) => ({ ...one, server: spec.name })));
  return values;
}

/** A container as a session needs to know it. */
export type Reachable = {
  readonly engine: Engine;
  readonly container: ContainerId;
  readonly spec: DesiredServer;
  /** The id is needed where the server's protocol is to be found out, else nobody has to look it up. */
  readonly image: Pick<ImageFacts, 'ref' | 'entrypoint' | 'command' | 'hasShell'> & Partial<Pick<ImageFacts, 'id'>>;
  /** The relay on the server's network; needed for HTTP servers only. */
  readonly relay: ContainerId | undefined;
  /** How the server is called on its network: its alias, or a generation's own name. */
  readonly host: string;
};

/**
 * What `openSession` needs for a container: argv and environment of the session, or the way through the relay.
 * Throws `secret-missing`, `server-not-running` when an HTTP server has no relay.
 */
export async function sessionTarget(reachable: Reachable, secrets: SecretStore): Promise<SessionTarget> {
  const { engine, container, spec, image, relay, host } = reachable;
  const isHttp = spec.mcp.transport.kind !== 'stdio';
  if (isHttp && relay === undefined) {
    throw new LoomsError('server-not-running', `server ${spec.name} has no relay, through which it would be reached`, {
      hint: '`looms apply` makes it again',
    });
  }
  return {
    engine,
    container,
    spec,
    // An HTTP server's process has its argv and secrets already; a session needs neither.
    argv: isHttp ? [] : resolveArgv(argvTemplateOf(spec), image),
    hasShell: image.hasShell !== false,
    env: isHttp ? {} : await sessionEnv(spec, secrets),
    ...(image.id === undefined ? {} : { image: image.id }),
    ...(relay === undefined ? {} : { relay: { container: relay, host } }),
  };
}
