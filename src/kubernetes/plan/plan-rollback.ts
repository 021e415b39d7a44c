import { LoomsError } from '../../model/errors.ts';
import { untrustedRecord } from '../../model/records.ts';
import { brokenGeneration, leftMeanwhile, unreadableGeneration } from '../../orchestrator/common/record-words.ts';
import type { RollbackIntent } from '../../orchestrator/port.ts';
import { serverOfRecord } from '../../spec/record/record.ts';
import { isSameRevision } from '../model/claims.ts';
import { type Generation, idOfGeneration, meantOf, type Observed, shownOf, workloadOf } from '../model/observed.ts';
import { hasServed, isGood, outcomeOf } from '../model/served.ts';
import type { KubernetesPorts } from '../ports.ts';
import { type KubePrepared, prepare } from './prepare.ts';

/**
 * The newest revision that served, that nobody has gone back from, and that is another than the one that is meant. Where that
 * has not passed its gate, and served once before the newest of them, an earlier run did not come to the end of its way back:
 * it goes on.
 */
function wayBack(past: readonly Generation[], now: Generation | undefined): Generation | undefined {
  const isNow = ({ claim }: Generation): boolean => now !== undefined && isSameRevision(claim, now.claim);
  const isLeft = ({ claim }: Generation, index: number): boolean =>
    past.slice(index).some((later) => isSameRevision(later.claim, claim) && outcomeOf(later) === 'rolled-back');
  const served = past.filter((one, index) => isGood(one) && !isLeft(one, index));
  const last = served.at(-1);
  const isUnderway = now !== undefined && !hasServed(now) && last !== undefined && !isNow(last);
  return (isUnderway ? served.findLast(isNow) : undefined) ?? served.findLast((one) => !isNow(one));
}

/** Plans to take a server back to an earlier generation: its spec as it was then, through the same gate as any change. */
export async function planRollback(
  ports: KubernetesPorts,
  observed: Observed,
  intent: RollbackIntent,
): Promise<KubePrepared> {
  const { server: name, keepFailed = false } = intent;
  const workload = workloadOf(observed, name);
  const { generations } = workload;
  const now = meantOf(workload);
  const leaving = idOfGeneration(shownOf(workload), workload.deployment);
  const past = generations.filter(
    (one) => one !== now && (now === undefined || one.claim.generation < now.claim.generation),
  );
  const target =
    intent.to === undefined ? wayBack(past, now) : generations.find(({ claim }) => claim.generation === intent.to);
  if (target === undefined) {
    const known = past.map(({ claim }) => claim.generation).join(', ');
    throw new LoomsError(
      'generation-not-found',
      intent.to === undefined
        ? `server ${name} has no earlier generation to go back to`
        : `server ${name} has no record of a generation ${intent.to}`,
      {
        hint: known === '' ? 'none of its past is recorded' : `\`looms history ${name}\` shows what there is: ${known}`,
      },
    );
  }
  const to = target.claim.generation;
  if (intent.leaving !== undefined && intent.leaving !== leaving && now?.claim.generation !== to) {
    throw leftMeanwhile(name, now?.claim.generation ?? 0);
  }
  if (target.claim.recorded === undefined) throw unreadableGeneration(name, to);
  const { spec, image } = target.claim.recorded;
  const source = target.claim.source ?? 'unknown';
  const server = serverOfRecord({ spec: { ...spec, enabled: true }, image }, { source, directory: '' });
  await ports.requireRules([server.spec], brokenGeneration(name, to));
  const untrusted = untrustedRecord(`generation ${to} of ${name}`, target.claim);
  return prepare(
    ports,
    observed,
    { ...intent, to, leaving },
    {
      desired: [server],
      undesired: 'ignore',
      keepFailed,
      rollbackTo: to,
      pins: new Map(target.claim.image === undefined ? [] : [[name, target.claim.image.digest]]),
      untrusted: untrusted === undefined ? [] : [untrusted],
    },
  );
}
