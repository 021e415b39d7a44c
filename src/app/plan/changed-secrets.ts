import type { DeclaredServer, DesiredServer } from '../../model/desired.ts';
import { isHttp } from '../../model/desired.ts';
import { messageOf } from '../../model/failure.ts';
import type { ContainerId, ProjectName } from '../../model/ids.ts';
import { isNonEmpty, type NonEmpty, type PlanWarning } from '../../model/plan.ts';
import { writtenRef } from '../../model/secrets/secret-names.ts';
import type { SecretPrints } from '../../model/secrets/secret-prints.ts';
import type { ChangedSecrets, MadeServer } from '../../orchestrator/port.ts';
import { resolveEnv } from '../../secrets/resolve-env.ts';
import type { Ports } from '../ports.ts';
import { secretVariables } from '../talk/session-target.ts';

type SecretPorts = Pick<Ports, 'secrets' | 'secretPrints'>;

type Given = MadeServer & { readonly secretPrints: SecretPrints };

/**
 * Which servers run with a secret that has another value by now: an HTTP server keeps those that its container was made
 * with, a stdio server gets the values of its session, and where its orchestrator says so others at its start. Looks up what a container has a print of and nothing else, and
 * nothing at all for a container whose record somebody else made: that one must not choose secrets. What cannot be told is
 * a warning; the server stays as it is.
 */
export async function changedSecrets(
  ports: SecretPorts,
  project: ProjectName,
  servers: readonly DeclaredServer[],
  everMade: readonly MadeServer[],
): Promise<ChangedSecrets> {
  const changed = new Map<ContainerId, NonEmpty<string>>();
  const warnings: PlanWarning[] = [];
  for (const server of servers) {
    const made = everMade.filter((one) => wasGivenSecrets(server, one));
    const containers = made.filter((one): one is Given => one.secretPrints !== undefined);
    const hasSecrets = Object.keys(secretVariables(server.spec)).length > 0;
    if (hasSecrets && containers.length < made.length) warnings.push(notCompared(server, withoutPrints));
    if (containers.length === 0) continue;
    const key = await ports.secretPrints.keyName();
    const ours = containers.filter(({ secretPrints, foreignRecord }) => secretPrints.key === key && !foreignRecord);
    if (ours.length < containers.length) warnings.push(ofOtherKey(server));
    const given = new Set(ours.flatMap((one) => Object.keys(one.secretPrints.values)));
    const known = ours.length === 0 ? undefined : await printsOfToday(ports, project, server.spec, given);
    if (known === undefined) continue;
    if (known.why !== undefined) warnings.push(notCompared(server, known.why));
    for (const { id, secretPrints } of ours) {
      const names = otherPrints(secretPrints, known.values);
      if (isNonEmpty(names)) changed.set(id, names);
    }
  }
  return { changed, warnings };
}

/** Whether a container is of a server that is to run, and was given its secrets when it was made. */
const wasGivenSecrets = ({ spec }: DeclaredServer, { server, givenSecrets = false }: MadeServer): boolean =>
  spec.enabled && (isHttp(spec) || givenSecrets) && server === spec.name;

const withoutPrints = 'it was made by an earlier looms, or without a usable key; `looms mcp restart` makes it anew';

/** Names of variables whose print is another one than that of today, where both are known; sorted. */
export const otherPrints = (given: SecretPrints, today: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(given.values)
    .filter(([name, print]) => Object.hasOwn(today, name) && today[name] !== print)
    .map(([name]) => name)
    .sort();

/** Prints of the values of today of the variables in `given`, as far as they can be had; else `why` not. Throws nothing. */
export async function printsOfToday(
  { secrets, secretPrints }: SecretPorts,
  project: ProjectName,
  spec: DesiredServer,
  given: ReadonlySet<string>,
): Promise<{ readonly values: Readonly<Record<string, string>>; readonly why?: string }> {
  const wanted = Object.fromEntries(Object.entries(secretVariables(spec)).filter(([name]) => given.has(name)));
  try {
    const { values, missing } = await resolveEnv(wanted, secrets);
    const prints = await secretPrints.print({ project, server: spec.name }, values);
    const unset = missing.map(({ ref }) => writtenRef(ref)).join(', ');
    return {
      values: prints?.values ?? {},
      ...(unset === '' ? {} : { why: `${unset} ${missing.length === 1 ? 'is' : 'are'} not set here` }),
    };
  } catch (error) {
    return { values: {}, why: messageOf(error) };
  }
}

const ofOtherKey = ({ spec }: DeclaredServer): PlanWarning => ({
  code: 'secrets-of-another-key',
  server: spec.name,
  message:
    'whether its secrets changed cannot be told here: it was made with another key than the one that is used here; LOOMS_RECORD_KEY is a key for several machines',
});

const notCompared = ({ spec }: DeclaredServer, why: string): PlanWarning => ({
  code: 'secrets-not-compared',
  server: spec.name,
  message: `whether its secrets changed cannot be told: ${why}`,
});
