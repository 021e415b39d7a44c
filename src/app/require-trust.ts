import type { DesiredServer } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import type { Observed } from '../model/observed.ts';
import type { Plan } from '../model/plan.ts';
import type { Ports } from './ports.ts';
import { processEnv } from './session-target.ts';

/** A container or a record of one, as far as handing it secrets goes. */
type Recorded = {
  readonly name: string;
  /** Set when this machine did not sign the record (model/claims.ts). */
  readonly foreignRecord?: string;
};

/** The secrets that a server's process is given, by their names, sorted. */
const secretsOf = (spec: DesiredServer): string[] => {
  const names = Object.values(processEnv(spec)).flatMap((value) =>
    value.kind === 'literal' ? [] : value.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.name])),
  );
  return [...new Set(names)].sort();
};

/**
 * Lets a server have the secrets that its record names only when this machine made the record, or somebody here accepted
 * exactly this one. Asks where it can; an acceptance is remembered. Throws `record-untrusted` naming the secrets.
 */
export async function requireTrust(
  ports: Ports,
  { name, foreignRecord }: Recorded,
  spec: DesiredServer,
  mayAsk = true,
): Promise<void> {
  const secrets = secretsOf(spec);
  if (foreignRecord === undefined || secrets.length === 0 || (await ports.trust.isAccepted(foreignRecord))) return;
  const what = `${name}, whose record was not made on this machine, asks for ${secrets.join(', ')}`;
  if (mayAsk && (await ports.trust.ask(`${what}. Accept this record, and hand over?`))) {
    await ports.trust.accept(foreignRecord);
    return;
  }
  throw new LoomsError('record-untrusted', `server ${spec.name}: ${what}`, {
    hint: 'look at it with `looms get -o yaml`; accept it with --trust-record, or by `looms apply` of its file',
  });
}

/** Servers that are as their files declare them: that is an acceptance of their records too. */
export async function acceptDeclared(ports: Ports, plan: Plan, observed: Observed): Promise<void> {
  const unchanged = new Set(plan.changes.flatMap(({ action, server }) => (action === 'unchanged' ? [server] : [])));
  for (const { server, foreignRecord, recorded } of observed.containers) {
    if (server === undefined || foreignRecord === undefined || !unchanged.has(server)) continue;
    if (recorded !== undefined && secretsOf(recorded.spec).length > 0 && !(await ports.trust.isAccepted(foreignRecord)))
      await ports.trust.accept(foreignRecord);
  }
}
