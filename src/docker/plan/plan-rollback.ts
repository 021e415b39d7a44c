import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { untrustedRecord } from '../../model/records.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { MadeFrom } from '../../model/server-view.ts';
import { parseSource } from '../../model/source.ts';
import { brokenGeneration, leftMeanwhile, unreadableGeneration } from '../../orchestrator/common/record-words.ts';
import type { RollbackIntent } from '../../orchestrator/port.ts';
import { specHash } from '../../spec/record/record.ts';
import { serversOf, settledOf, slotsOf } from '../model/generations.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../model/observed.ts';
import type { DockerPorts } from '../ports.ts';
import { revisionOf } from '../reconcile/generations/generations.ts';
import { type DockerPrepared, lookAt, prepare, supportImagesOf } from './prepare.ts';

/** A generation that there is or was, as far as going back to it needs; without an outcome its container is there. */
type Candidate = MadeFrom &
  Pick<GenerationRecord, 'generation' | 'specHash' | 'imageId' | 'source'> &
  Partial<Pick<GenerationRecord, 'outcome'>>;

const candidateOf = (container: ObservedContainer): Candidate => ({ ...container, imageId: container.shape.imageId });

const isGood = ({ outcome }: Candidate): boolean =>
  outcome !== undefined && outcome !== 'rolled-back' && outcome !== 'gate-failed';

/** Generations below the settled one that a cut-off run did not record: taken for served, and gated again. */
const unrecorded = (
  containers: readonly ObservedContainer[],
  settled: ObservedContainer | undefined,
  records: readonly Candidate[],
): Candidate[] =>
  containers
    .filter(({ generation, state }) => generation < (settled?.generation ?? 0) && state.status !== 'created')
    .filter((one) => one.recorded !== undefined && !records.some(({ generation }) => generation === one.generation))
    .map((one) => ({ ...candidateOf(one), outcome: 'replaced' }));

const notFound = (message: string, hint: string): LoomsError =>
  new LoomsError('generation-not-found', message, { hint });

/** Throws `plan-stale` where another generation serves than the one that was to be left. */
function refuseIfLeft({ server: name, leaving }: RollbackIntent, now: ObservedContainer | undefined, to: number): void {
  if (leaving === undefined || now === undefined || now.id === leaving || now.generation === to) return;
  throw leftMeanwhile(name, now.generation);
}

/** The generation to go back to. Throws `server-not-found`, `generation-not-found`. */
function chooseTarget(observed: Observed, { project, server: name, to }: RollbackIntent): Candidate {
  const containers = slotsOf(observed.containers).get(name) ?? [];
  const records: Candidate[] = observed.history.filter((record) => record.server === name);
  if (containers.length + records.length === 0) throw serverNotFound(project, name, serversOf(observed));
  if (to !== undefined) {
    const found = [...containers.map(candidateOf), ...records].find(({ generation }) => generation === to);
    if (found !== undefined) return found;
    const known = records.map(({ generation }) => generation).join(', ');
    throw notFound(
      `server ${name} has no record of a generation ${to}`,
      known === '' ? 'none of its past is recorded' : `\`looms history ${name}\` shows what there is: ${known}`,
    );
  }
  const settled = settledOf(containers, project, name);
  const now = settled && revisionOf(settled.specHash, settled.shape.imageId);
  const past = [...records, ...unrecorded(containers, settled, records)].sort((a, b) => a.generation - b.generation);
  const target = past.findLast((one) => isGood(one) && revisionOf(one.specHash, one.imageId) !== now);
  if (target !== undefined) return target;
  throw notFound(
    `server ${name} has no earlier generation to go back to`,
    records.length === 0
      ? 'a generation is recorded when another one takes its place'
      : `\`looms history ${name}\` shows what there is; --to names one of them`,
  );
}

/** The recorded spec as a server to be run; what was rolled back to shall run, whatever is disabled now. */
function declared(name: ServerName, { generation, recorded, source }: Candidate): DeclaredServer {
  if (recorded === undefined) throw unreadableGeneration(name, generation);
  const spec = { ...recorded.spec, name, enabled: true };
  return {
    spec,
    image: { kind: 'pulled', ref: recorded.image },
    hash: specHash(spec, recorded.image),
    source: parseSource(source ?? 'unknown', ''),
  };
}

/** The project with the image's reference meaning the image of then, as its tag may have moved on since. */
async function observeWithImage(
  ports: DockerPorts,
  project: ProjectName,
  target: Candidate,
  server: DeclaredServer,
): Promise<Observed> {
  const { ref } = server.image;
  const support = supportImagesOf(ports, [server]);
  const observed = await ports.engine.observe({ project, images: [target.imageId, ...support], checkRegistry: [] });
  const facts = observed.images[target.imageId];
  if (!facts) {
    throw new LoomsError('image-not-found', `the image of generation ${target.generation} is not on the engine`, {
      hint: 'somebody removed it by force: choose another generation with --to, or apply a spec',
    });
  }
  // Containers of looms say whether their image has a shell; one that says nothing is taken to have one.
  const then = { ...facts, ref, hasShell: facts.hasShell ?? true };
  return { ...observed, images: { ...observed.images, [ref]: then } };
}

/**
 * Plans to take a server back to an earlier generation: its spec and its image as they were then, through the same
 * replacement and the same gate as any change. Secrets are references in a record, so today's values are used.
 * Throws `server-not-found`, `generation-not-found`, `image-not-found`, and `plan-stale` when another generation than
 * `leaving` serves by now.
 */
export async function planRollback(ports: DockerPorts, intent: RollbackIntent): Promise<DockerPrepared> {
  const { project, server: name, keepFailed = false } = intent;
  const target = chooseTarget(await lookAt(ports, project), intent);
  const to = target.generation;
  const server = declared(name, target);
  await ports.requireRules([server.spec], brokenGeneration(name, to));
  const observed = await observeWithImage(ports, project, target, server);
  const leaving = settledOf(slotsOf(observed.containers).get(name) ?? [], project, name);
  refuseIfLeft(intent, leaving, to);
  const untrusted = untrustedRecord(`generation ${to} of ${name}`, target);
  // Planned again, it must not choose again.
  const chosen = { ...intent, to, ...(leaving === undefined ? {} : { leaving: leaving.id }) };
  return prepare(
    ports,
    chosen,
    observed,
    { desired: [server], undesired: 'ignore', keepFailed, rollbackTo: to },
    { untrusted: untrusted === undefined ? [] : [untrusted] },
  );
}
