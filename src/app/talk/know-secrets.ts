import type { DesiredServer } from '../../model/desired.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { ForeignRecord } from '../../model/records.ts';
import { secretUses, writtenRef } from '../../model/secrets/secret-names.ts';
import type { SecretPrints } from '../../model/secrets/secret-prints.ts';
import { otherPrints, printsOfToday } from '../plan/changed-secrets.ts';
import type { Ports } from '../ports.ts';

/**
 * Looks up the secrets that a server's process has, so that the mask knows them before anything it wrote is printed. A
 * record that nobody here made or accepted chooses none: a look-up may run a program, or open a keyring. What is not
 * looked up, or cannot be had here, does not stop what is asked for: that it will not be masked is warned of. Throws
 * nothing of its own.
 */
export async function knowSecrets(ports: KnowPorts, spec: DesiredServer, made: MadeWith): Promise<void> {
  for (const why of await unknownSecrets(ports, spec, made)) {
    ports.warn({
      code: 'secret-not-masked',
      server: spec.name,
      message: `${why}: what ${spec.name} prints of it is not masked`,
    });
  }
}

type KnowPorts = Pick<Ports, 'secrets' | 'secretPrints' | 'warn' | 'trust'>;

/**
 * What is known of the container that has the secrets: who made its record, where that is to be trusted first, and prints of
 * what it was given.
 */
type MadeWith = {
  readonly project: ProjectName;
  readonly foreignRecord: ForeignRecord | undefined;
  readonly secretPrints: SecretPrints | undefined;
};

/** Looks them up in the same way; why some are not known afterwards, for people. */
export async function unknownSecrets(
  ports: Pick<KnowPorts, 'secrets' | 'secretPrints' | 'trust'>,
  spec: DesiredServer,
  { foreignRecord: foreign, project, secretPrints: given }: MadeWith,
): Promise<readonly string[]> {
  const refs = secretUses(spec).flatMap((use) => use.refs);
  if (refs.length > 0 && foreign !== undefined && !(await ports.trust.isAccepted(foreign.digest))) {
    const names = [...new Set(refs.map(writtenRef))].join(', ');
    return [`the record of ${spec.name} was not made on this machine, so ${names} is not looked up`];
  }
  const unknown: string[] = [];
  for (const ref of refs) {
    const known = await ports.secrets(ref).then(
      ({ found }) => found,
      () => false,
    );
    if (!known) unknown.push(`secret ${writtenRef(ref)} of ${spec.name} cannot be looked up here`);
  }
  // What was given to a container is in what it prints, also when it has another value by now.
  if (given !== undefined && given.key === (await ports.secretPrints.keyName())) {
    const { values } = await printsOfToday(ports, project, spec, new Set(Object.keys(given.values)));
    const changed = otherPrints(given, values);
    if (changed.length > 0)
      unknown.push(`the value of ${changed.join(', ')} that ${spec.name} was made with is not known any more`);
  }
  return unknown;
}
