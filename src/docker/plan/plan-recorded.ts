import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { untrustedRecord } from '../../model/records.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import { sourceText } from '../../model/source.ts';
import { brokenRecord } from '../../orchestrator/common/record-words.ts';
import type { RecordedIntent } from '../../orchestrator/port.ts';
import { serverOfRecord, specHash } from '../../spec/record/record.ts';
import { settledOf, slotsOf } from '../model/generations.ts';
import type { Observed } from '../model/observed.ts';
import type { DockerPorts } from '../ports.ts';
import type { DockerPlan } from '../steps.ts';
import { planDeclared } from './plan-files.ts';
import { type DockerPrepared, lookAt } from './prepare.ts';

/** A server as its container records it, to be planned without its file. How its image is built is not recorded. */
export function recordedServer(observed: Observed, name: ServerName, { wish, directory }: RecordedIntent) {
  const slots = slotsOf(observed.containers);
  const container = settledOf(slots.get(name) ?? [], observed.project, name);
  if (container === undefined) {
    const deleted = observed.history.map(({ server }) => server);
    throw serverNotFound(observed.project, name, [...slots.keys()], deleted);
  }
  const { recorded } = container;
  if (recorded === undefined) {
    throw new LoomsError(
      'spec-invalid',
      `container ${container.name} does not say what it was made from: its looms.spec label cannot be read`,
      { hint: `name the file that declares it: looms mcp start ${name} --config FILE` },
    );
  }
  const { image, spec: then } = recorded;
  const lifecycle =
    wish.kind === 'stop' && wish.drainSeconds !== undefined
      ? { ...then.lifecycle, drainSeconds: wish.drainSeconds }
      : then.lifecycle;
  const spec = { ...then, enabled: wish.kind !== 'stop' };
  // Another drain time for this once is no other spec.
  const from = { hash: specHash(spec, image), source: container.source ?? 'unknown', directory };
  const server = serverOfRecord({ spec: { ...spec, lifecycle }, image }, from);
  return { server, untrusted: untrustedRecord(`container ${container.name}`, container) };
}

/** A container can be started without the recipe of its image, but an image that is gone cannot be built without it. */
function requireImages(plan: DockerPlan, servers: readonly DeclaredServer[]): void {
  const build = plan.steps.find((step) => step.op === 'build-image');
  const server = servers.find(({ image }) => build?.op === 'build-image' && image.ref === build.ref);
  if (server === undefined) return;
  const { spec, image, source } = server;
  throw new LoomsError('image-not-found', `image ${image.ref} of server ${spec.name} is not on this engine any more`, {
    hint: `its spec (${sourceText(source)}) says how it is built: looms mcp start ${spec.name} --config FILE`,
  });
}

/**
 * Plans for servers that are on the engine, from what is recorded on their containers. It is the same planner as for
 * files, so a server that somebody changed by hand is replaced by one as recorded.
 * Throws `server-not-found`, `spec-invalid` for a record that cannot be read, `image-not-found` for one that would have
 * to be built, and what the engine throws.
 */
export async function planRecorded(ports: DockerPorts, intent: RecordedIntent): Promise<DockerPrepared> {
  const { project, servers: names, wish, keep } = intent;
  const observed = await lookAt(ports, project);
  const recorded = names.map((name) => recordedServer(observed, name, intent));
  const servers = recorded.map(({ server }) => server);
  if (wish.kind !== 'stop') {
    await ports.requireRules(
      servers.map(({ spec }) => spec),
      brokenRecord('container'),
    );
  }
  const prepared = await planDeclared(ports, {
    project,
    servers,
    recipes: new Map(),
    undesired: 'ignore',
    only: names,
    keep,
    ...(wish.kind === 'restart' ? { replace: names } : {}),
    ...(wish.kind === 'stop' ? { stop: names } : {}),
  });
  requireImages(prepared.plan, servers);
  return { ...prepared, intent, untrusted: recorded.flatMap(({ untrusted }) => untrusted ?? []) };
}
