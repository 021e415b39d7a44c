import type { DesiredServer, SecretRef } from '../model/desired.ts';
import { writtenRef } from '../model/secret-names.ts';
import type { Ports } from './ports.ts';
import { processEnv } from './session-target.ts';

const refsOf = (spec: DesiredServer): readonly SecretRef[] =>
  Object.values(processEnv(spec)).flatMap((value) =>
    value.kind === 'literal' ? [] : value.parts.filter((part) => typeof part !== 'string'),
  );

/**
 * Looks up the secrets that a server's process has, so that the mask knows them before anything it wrote is printed.
 * One that cannot be had here does not stop what is asked for: that it will not be masked is warned of. Never throws.
 */
export async function knowSecrets(ports: Pick<Ports, 'secrets' | 'warn'>, spec: DesiredServer): Promise<void> {
  for (const ref of refsOf(spec)) {
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
