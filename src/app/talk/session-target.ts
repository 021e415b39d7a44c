import type { Engine } from '../../docker/port.ts';
import { argvTemplateOf } from '../../docker/reconcile/server/container-template.ts';
import type { SessionTarget } from '../../mcp/client/session.ts';
import type { DesiredServer, Env } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ContainerId, ImageId } from '../../model/ids.ts';
import { resolveArgv } from '../../model/resolve-shape.ts';
import type { ImageFacts } from '../../model/shape.ts';
import type { SecretStore } from '../../secrets/provider.ts';
import { resolveEnv } from '../../secrets/resolve-env.ts';
import { missingSecrets } from '../plan/missing-secrets.ts';

/** All variables that reach a server's process besides those in its container's config; `env_from` wins. */
export function processEnv(spec: DesiredServer): Env {
  const secretsOfContainer = Object.entries(spec.environment).filter(([, value]) => value.kind === 'secret');
  const fromEnvironment = spec.mcp.envFrom.map(
    (name) => [name, { kind: 'secret', parts: [{ from: 'environment', name }] }] as const,
  );
  return Object.fromEntries([...secretsOfContainer, ...Object.entries(spec.mcp.env), ...fromEnvironment]);
}

/** Those of them that hold a secret. */
export const secretVariables = (spec: DesiredServer): Env =>
  Object.fromEntries(Object.entries(processEnv(spec)).filter(([, value]) => value.kind === 'secret'));

/**
 * The values of a server's own variables, secrets looked up.
 * Throws `secret-missing` naming each one that no provider has.
 */
export async function sessionEnv(spec: DesiredServer, secrets: SecretStore): Promise<Readonly<Record<string, string>>> {
  const { values, missing } = await resolveEnv(processEnv(spec), secrets);
  if (missing.length > 0) throw missingSecrets(missing.map((one) => ({ ...one, server: spec.name })));
  return values;
}

/** What a session needs to know of the image that its container was made of. */
export type SessionImage = Pick<ImageFacts, 'id' | 'ref' | 'entrypoint' | 'command' | 'hasShell'>;

/**
 * The same of a container that is there, by the id of its own image: its tag may mean another one by now, or be gone. The
 * engine is asked only where the spec leaves it to the image what is run, and nothing is made for it.
 * Throws `image-not-found`.
 */
export async function sessionImage(
  engine: Engine,
  spec: DesiredServer,
  {
    imageId: id,
    imageRef: ref,
    hasShell,
  }: { readonly imageId: ImageId; readonly imageRef: string; readonly hasShell: boolean },
): Promise<SessionImage> {
  const isInSpec = spec.mcp.transport.kind !== 'stdio' || argvTemplateOf(spec).entrypoint !== undefined;
  if (isInSpec) return { id, ref, hasShell, entrypoint: [], command: [] };
  const facts = await engine.findImage(id, { mayLook: false });
  if (facts === null) {
    throw new LoomsError(
      'image-not-found',
      `the image of server ${spec.name}, which says what it runs, is gone (${ref})`,
      {
        hint: 'get the image again, then `looms mcp restart`; or set mcp_server.command',
      },
    );
  }
  return { id, ref, hasShell, entrypoint: facts.entrypoint, command: facts.command };
}

/** A container as a session needs to know it. */
export type Reachable = {
  readonly engine: Engine;
  readonly container: ContainerId;
  readonly spec: DesiredServer;
  readonly image: SessionImage;
  /** The relay on the server's network; needed for HTTP servers only. */
  readonly relay: ContainerId | undefined;
  /** How the container is called on its network: its short id, which two generations never share. */
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
    image: image.id,
    ...(relay === undefined ? {} : { relay: { container: relay, host } }),
  };
}
