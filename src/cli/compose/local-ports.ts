import type { Ports } from '../../app/ports.ts';
import { messageOf } from '../../model/failure.ts';
import { noTracing, type Tracing } from '../../model/trail/tracing.ts';
import type { Warm } from '../near/warm.ts';
import type { Settings } from './composition.ts';
import { lazily, once } from './lazy.ts';

/** The version in `looms/<version>`. */
export const versionIn = (managedBy: Settings['managedBy']): string => managedBy.split('/')[1] ?? '';

/** Where spans go, if anywhere: what sends them is loaded (170 ms) where somebody collects them. */
export async function tracingFor(
  { program: { environment }, managedBy }: Settings,
  endpoint: string | undefined,
  { warn, atEnd }: Pick<Ports, 'warn' | 'atEnd'>,
): Promise<Tracing> {
  const named = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isOff = environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || environment.OTEL_TRACES_EXPORTER === 'none';
  if (isOff || !(named || endpoint)) return noTracing;
  const { otlpTracing } = await import('../../telemetry/otlp.ts');
  const version = versionIn(managedBy);
  const made = otlpTracing({ endpoint: named ? undefined : endpoint, environment, version, warn });
  atEnd(made.close);
  return made;
}

/** What this machine counted, recorded and found out. SQLite is loaded by the commands that use it only. */
export function localPorts(
  { program: { environment, warm }, trustRecord, askForTrust, goesOn }: Settings,
  { user, host, pid }: Ports['whoAmI'],
  { redact, warn, atEnd }: { readonly redact: Ports['mask'] } & Pick<Ports, 'warn' | 'atEnd'>,
) {
  const state = once(async () => {
    const [{ localState }, thread] = await Promise.all([
      import('../../state/local-state.ts'),
      goesOn ? import('../../state/write-thread.ts') : undefined,
    ]);
    const made = localState(environment, thread?.writesInThread);
    atEnd(made.close);
    return made;
  });
  const writer = once(async () => {
    const [{ createLedgerWriter }, { ledgerPlaces }] = await Promise.all([
      import('../../state/ledger-writer.ts'),
      import('../../state/ledger.ts'),
    ]);
    const made = createLedgerWriter(ledgerPlaces(environment));
    atEnd(made.close);
    return made;
  });
  const ownTrail: Warm['auditTrail'] = async (who, masked) => {
    const [written, { createAuditTrail }, { maskValues }] = await Promise.all([
      writer(),
      import('../../state/audit-trail.ts'),
      import('../../secrets/mask-values.ts'),
    ]);
    return createAuditTrail({ writer: written, who, mask: (args) => maskValues(args, masked) });
  };
  const auditTrail = warm?.auditTrail ?? ownTrail;
  const trail = once(() => auditTrail({ user, host, pid }, redact));
  const accepted = new Set<string>();
  const ports = {
    countExecutions: async (containers) =>
      containers.length === 0 ? new Map() : (await state()).countExecutions(containers),
    audit: {
      prepare: async () => (await trail()).prepare(),
      started: async (call) => (await trail()).started(call),
      changing: async (change) => (await trail()).changing(change),
      refused: async (target, code) => (await trail()).refused(target, code),
    },
    auditReader: lazily(async () => (await state()).auditReader),
    keptLogs: lazily(async () => (await state()).keptLogs),
    alerts: lazily(async () => (await state()).alerts),
    readHealth: async (at) => (await state()).readHealth(at),
    recordHealth: warm?.recordHealth ?? (async (at, findings) => (await state()).recordHealth(at, findings)),
    secretPrints: lazily(async () => (await state()).secretPrints),
    trust: {
      keyName: async () => (await state()).records.keyName(),
      isAccepted: async (digest) => accepted.has(digest) || (await state()).records.isKnown(digest),
      accept: async (digest) => {
        accepted.add(digest);
        const { records } = await state();
        try {
          await records.remember(digest);
        } catch (error) {
          const why = `${records.path} cannot be written (${messageOf(error)})`;
          warn({ code: 'trust-not-kept', message: `the record was accepted for this run only: ${why}` });
        }
      },
      acceptsAll: trustRecord,
      ask: askForTrust,
    },
  } satisfies Partial<Ports>;
  return { ports, auditTrail, findings: lazily(async () => (await state()).serverMemory) };
}
