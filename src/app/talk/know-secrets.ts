import type { DesiredServer } from '../../model/desired.ts';
import type { ForeignRecord } from '../../model/records.ts';
import { secretUses, writtenRef } from '../../model/secret-names.ts';
import type { Ports } from '../ports.ts';

/**
 * Looks up the secrets that a server's process has, so that the mask knows them before anything it wrote is printed. A
 * record that nobody here made or accepted chooses none: a look-up may run a program, or open a keyring. What is not
 * looked up, or cannot be had here, does not stop what is asked for: that it will not be masked is warned of. Throws
 * nothing of its own.
 */
export async function knowSecrets(
  ports: Pick<Ports, 'secrets' | 'warn' | 'trust'>,
  spec: DesiredServer,
  foreign?: ForeignRecord,
): Promise<void> {
  const refs = secretUses(spec).flatMap((use) => use.refs);
  if (refs.length > 0 && foreign !== undefined && !(await ports.trust.isAccepted(foreign.digest))) {
    const names = [...new Set(refs.map(writtenRef))].join(', ');
    ports.warn(
      `the record of ${spec.name} was not made on this machine, so ${names} is not looked up: what ${spec.name} prints of it is not masked`,
    );
    return;
  }
  for (const ref of refs) {
    const known = await ports.secrets(ref).then(
      ({ found }) => found,
      () => false,
    );
    if (known) continue;
    ports.warn(
      `secret ${writtenRef(ref)} of ${spec.name} cannot be looked up here: what ${spec.name} prints of it is not masked`,
    );
  }
}
