import type { DesiredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { UntrustedRecord } from '../../model/records.ts';
import { secretUses } from '../../model/secrets/secret-names.ts';
import type { Prepared } from '../../orchestrator/port.ts';
import { describeRecord } from '../inspect/describe-record.ts';
import type { Ports } from '../ports.ts';

/** The secrets that a server's process is given, by their names, sorted. */
const secretsOf = (spec: DesiredServer): string[] =>
  [...new Set(secretUses(spec).flatMap(({ refs }) => refs.map(({ name }) => name)))].sort();

/**
 * Lets a server have the secrets that its record names only when this machine made the record (undefined), or somebody
 * here accepted exactly this one. Asks where it can; an acceptance is remembered. Nothing is looked up before that.
 * Throws `record-untrusted` naming the secrets, and what the record says.
 */
export async function requireTrust(
  { trust }: Pick<Ports, 'trust'>,
  record: UntrustedRecord | undefined,
  mayAsk = true,
): Promise<void> {
  if (record === undefined) return;
  const secrets = secretsOf(record.spec);
  const { digest } = record.foreign;
  if (secrets.length === 0 || (await trust.isAccepted(digest))) return;
  const what = `${record.name}, whose record was not made on this machine, asks for ${secrets.join(', ')}`;
  const says = describeRecord(record);
  if (mayAsk && (await trust.ask({ what, says }))) return trust.accept(digest);
  throw new LoomsError('record-untrusted', what, {
    detail: says,
    hint: 'accept it with --trust-record when all of this is as it should be, or by `looms apply` of its file',
  });
}

/** The same for all servers of a plan that are given secrets by it and were planned from a record. */
export async function requireTrustInPlan(
  ports: Pick<Ports, 'trust'>,
  { untrusted, gated }: Prepared,
  mayAsk: boolean,
): Promise<void> {
  for (const record of untrusted) if (gated.has(record.spec.name)) await requireTrust(ports, record, mayAsk);
}

/** Servers that are known to be as their files declare them: that is an acceptance of their records too. */
export async function acceptDeclared(
  ports: { readonly trust: Pick<Ports['trust'], 'isAccepted' | 'accept'> },
  { plan, records, servers }: Pick<Prepared, 'plan' | 'records' | 'servers'>,
): Promise<void> {
  // What shall not run is left as it is, whatever it was made from.
  const unknown = new Set([
    ...plan.warnings.flatMap(({ code, server }) => (code === 'drift-unknown' ? (server ?? []) : [])),
    ...servers.flatMap(({ spec: { name, enabled } }) => (enabled ? [] : [name])),
  ]);
  const unchanged = new Set(
    plan.changes.flatMap((change) =>
      change.action === 'unchanged' && !unknown.has(change.server) ? (change.container ?? []) : [],
    ),
  );
  for (const { container, foreignRecord, recorded } of records) {
    if (foreignRecord === undefined || !unchanged.has(container)) continue;
    const { digest } = foreignRecord;
    if (recorded !== undefined && secretsOf(recorded.spec).length > 0 && !(await ports.trust.isAccepted(digest)))
      await ports.trust.accept(digest);
  }
}
