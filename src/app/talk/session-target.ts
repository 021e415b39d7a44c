import type { SessionTarget } from '../../mcp/client/session.ts';
import type { DesiredServer, Env } from '../../model/desired.ts';
import { isHttp } from '../../model/desired.ts';
import { processEnv } from '../../model/secrets/secret-names.ts';
import type { Serving } from '../../model/server-view.ts';
import type { SessionHost } from '../../orchestrator/session-host.ts';
import type { SecretStore } from '../../secrets/provider.ts';
import { resolveEnv } from '../../secrets/resolve-env.ts';
import { missingSecrets } from '../plan/missing-secrets.ts';

/** The variables of a server's process that hold a secret. */
export const secretVariables = (spec: DesiredServer): Env =>
  Object.fromEntries(Object.entries(processEnv(spec)).filter(([, value]) => value.kind === 'secret'));

/** A server's own variables with secrets looked up. Throws `secret-missing` naming each one that nobody has. */
export async function sessionEnv(spec: DesiredServer, secrets: SecretStore): Promise<Readonly<Record<string, string>>> {
  const { values, missing } = await resolveEnv(processEnv(spec), secrets);
  if (missing.length > 0) throw missingSecrets(missing.map((one) => ({ ...one, server: spec.name })));
  return values;
}

/** What opening a session to a server takes. Throws `secret-missing`. */
export async function sessionTarget(
  { container, spec, argv, hasShell, image, reach }: Serving,
  sessions: SessionHost,
  secrets: SecretStore,
): Promise<SessionTarget> {
  return {
    sessions,
    container,
    spec,
    argv,
    hasShell,
    image,
    ...(reach === undefined ? {} : { reach }),
    // An HTTP server's process has its secrets already.
    env: isHttp(spec) ? {} : await sessionEnv(spec, secrets),
  };
}
