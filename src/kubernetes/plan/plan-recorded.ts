import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { untrustedRecord } from '../../model/records.ts';
import { brokenRecord } from '../../orchestrator/common/record-words.ts';
import type { RecordedIntent } from '../../orchestrator/port.ts';
import { serverOfRecord } from '../../spec/record/record.ts';
import { annotation } from '../model/names.ts';
import { type Observed, pinnedDigest, workloadOf } from '../model/observed.ts';
import type { KubernetesPorts } from '../ports.ts';
import { type KubePrepared, prepare } from './prepare.ts';

/** How long a pod drains was said when it was made. Throws `engine-unsupported` for another time. */
function requireDrain(name: ServerName, wish: RecordedIntent['wish'], seconds: number): void {
  if (wish.kind !== 'stop' || wish.drainSeconds === undefined || wish.drainSeconds === seconds) return;
  throw new LoomsError('engine-unsupported', `the pods of ${name} drain for ${seconds} s, as they were made to`, {
    hint: 'leave --drain out, or change lifecycle.drain_seconds in its file and apply that first',
  });
}

/** Plans for servers that are on the cluster, from what their Deployments record. */
export async function planRecorded(
  ports: KubernetesPorts,
  observed: Observed,
  intent: RecordedIntent,
): Promise<KubePrepared> {
  const { wish } = intent;
  const found = intent.servers.map((name) => {
    const workload = workloadOf(observed, name);
    const { claim, deployment } = workload;
    if (claim.recorded === undefined) {
      throw new LoomsError(
        'spec-invalid',
        `Deployment ${deployment.metadata.name} does not say what it was made from: its ${annotation.record} annotation cannot be read`,
        { hint: `name the file that declares it: looms mcp start ${name} --config FILE` },
      );
    }
    const { spec: then, image } = claim.recorded;
    requireDrain(name, wish, then.lifecycle.drainSeconds);
    const record = { spec: { ...then, enabled: wish.kind !== 'stop' }, image };
    const from = { hash: claim.specHash, source: claim.source ?? 'unknown', directory: intent.directory };
    return {
      pin: pinnedDigest(workload),
      server: serverOfRecord(record, from),
      untrusted: untrustedRecord(`Deployment ${deployment.metadata.name}`, claim),
    };
  });
  const servers = found.map(({ server }) => server);
  if (wish.kind !== 'stop') {
    await ports.requireRules(
      servers.map(({ spec }) => spec),
      brokenRecord('Deployment'),
    );
  }
  return prepare(ports, observed, intent, {
    desired: servers,
    undesired: 'ignore',
    ...(wish.kind === 'restart' ? { replace: intent.servers } : {}),
    ...(wish.kind === 'stop' ? { stop: intent.servers } : {}),
    pins: new Map(found.flatMap(({ server, pin }) => (pin === undefined ? [] : [[server.spec.name, pin] as const]))),
    untrusted: found.flatMap(({ untrusted }) => untrusted ?? []),
  });
}
